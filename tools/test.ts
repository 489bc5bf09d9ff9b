/** npm test: everything that can be tested here. With arguments: only the test files that match them. */
import { ensureDebianPackages } from '../proofs/support/debian.ts';
import { runParts, script, say, tool } from './parts.ts';

/** The report is opened in a real browser. */
const DEBIAN = ['chromium'];

const [...files] = process.argv.slice(2);
try {
  await ensureDebianPackages(DEBIAN);
  process.exitCode = await runParts(
    files.length > 0
      ? [{ name: 'tests', argv: tool('vitest', 'run', ...files) }]
      : [
          { name: 'unit tests', argv: tool('vitest', 'run', '--project', 'unit') },
          { name: 'integration tests', argv: tool('vitest', 'run', '--project', 'it') },
          { name: 'proofs, quick form', argv: script('proofs/prove.ts', '--all', '--quick') },
        ],
    { quiet: false },
  );
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
