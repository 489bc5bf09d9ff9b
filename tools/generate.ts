/**
 * npm run gen: writes everything that would otherwise be said twice. With --check it writes nothing and
 * exits 1 when a file on disk differs.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { architecturePage } from './generated/architecture.ts';
import { proofsPage } from './generated/proofs.ts';
import { ROOT, runParts, say, script } from './parts.ts';

const FILES: Readonly<Record<string, () => Promise<string>>> = {
  'ARCHITECTURE.md': architecturePage,
  'docs/proofs.md': proofsPage,
};

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, make] of Object.entries(FILES)) {
  const file = path.join(ROOT, name);
  const wanted = await make();
  if ((await readFile(file, 'utf8').catch(() => undefined)) === wanted) continue;
  stale.push(name);
  if (check) continue;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, wanted);
}
if (stale.length > 0) say(check ? `stale: ${stale.join(', ')}; run \`npm run gen\`` : `wrote ${stale.join(', ')}`);
const product = await runParts(
  [{ name: 'help, schema and reference', argv: script('tools/gen/main.ts', ...(check ? ['--check'] : [])) }],
  { quiet: true },
);
process.exitCode = check && stale.length > 0 ? 1 : product;
