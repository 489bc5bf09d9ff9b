/** npm run fix: formats, applies the linter's safe fixes and renews generated files. */
import { runParts, script, tool } from './parts.ts';

process.exitCode = await runParts(
  [
    { name: 'lockfile', argv: script('tools/lockfile.ts') },
    { name: 'lint fixes', argv: tool('oxlint', '--type-aware', '--fix', '.') },
    { name: 'generated files', argv: script('tools/generate.ts') },
    { name: 'format', argv: tool('oxfmt', '.') },
  ],
  { quiet: true },
);
