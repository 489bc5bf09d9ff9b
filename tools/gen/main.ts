/**
 * Writes everything that is said twice: help.txt, the JSON schema of the config and docs/reference.
 * With --check it writes nothing and exits 1 when a file on disk differs.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cliPage, configPage, exitCodesPage, helpTxt, jsonPage, schemaFile } from './pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const files: readonly (readonly [string, () => string])[] = [
  ['packages/towpath/bin/help.txt', helpTxt],
  ['packages/towpath/schema/config.schema.json', schemaFile],
  ['docs/reference/config.md', configPage],
  ['docs/reference/cli.md', cliPage],
  ['docs/reference/json.md', jsonPage],
  ['docs/reference/exit-codes.md', exitCodesPage],
];

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, make] of files) {
  const file = path.join(root, name);
  const wanted = make();
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found === wanted) continue;
  stale.push(name);
  if (check) continue;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, wanted);
}
if (check && stale.length > 0) {
  process.stderr.write(`✗ stale: ${stale.join(', ')}\n  → npm run gen\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`${check ? 'current' : `wrote ${stale.length} of`} ${files.length} generated files\n`);
}
