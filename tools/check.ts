/** npm run check: every guard of the code base, after the proof that each guard can bark. */
import { runParts, script, tool } from './parts.ts';

process.exitCode = await runParts(
  [
    { name: 'self-test of the guards', argv: script('tools/check-selftest.ts') },
    { name: 'format', argv: tool('oxfmt', '--check', '.') },
    { name: 'lint, with types and layers', argv: tool('oxlint', '--type-aware', '--deny-warnings', '.') },
    { name: 'types', argv: tool('tsc', '-p', '.') },
    { name: 'unused files, exports, dependencies', argv: tool('knip') },
    { name: 'generated files', argv: script('tools/generate.ts', '--check') },
  ],
  { quiet: true },
);
