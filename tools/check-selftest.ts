/**
 * A guard that stays silent on broken code looks like one that has nothing to report. So each guard is
 * shown planted offences in a copy of the sources and must name each of them; and some innocent twins,
 * which it must not mind.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT, say, script, tool, type Part } from './parts.ts';
import { LINT_PLANTS } from './selftest/lint-plants.ts';
import { plant, type Plant } from './selftest/plant.ts';

interface Guard {
  readonly name: string;
  /** @param files the planted ones, for guards that are told what to look at */
  readonly argv: (files: readonly string[]) => Part['argv'];
  readonly plants: readonly Plant[];
}

const MARKS = '<!-- from architecture.json, by `npm run gen`: begin -->\n\nold\n\n<!-- end -->';

const GUARDS: readonly Guard[] = [
  {
    name: 'lint',
    argv: (files) => tool('oxlint', '--type-aware', '--deny-warnings', '--format', 'unix', ...files),
    plants: LINT_PLANTS,
  },
  {
    name: 'types',
    argv: () => tool('tsc', '-p', '.', '--pretty', 'false'),
    plants: [
      plant('a type error', 'tools/*.ts', `export const x: number = 'text';`, /TS2322/),
      plant('syntax that type stripping cannot run', 'tools/*.ts', 'export enum X {\n  one,\n}', /TS1294/),
      plant('an unchecked index', 'tools/*.ts', 'export const f = (x: string[]): string => x[0];', /TS2322/),
    ],
  },
  {
    name: 'knip',
    argv: () => tool('knip', '--no-progress'),
    plants: [
      plant('a file that nothing uses', 'packages/towpath/src/kernel/*.ts', 'export const x = 1;', /planted/),
      plant('a dependency that is not declared', 'proofs/*.proof.ts', `import 'left-pad';`, /left-pad/),
      plant(
        'an export that nothing uses',
        'tools/selftest/plant.ts',
        'export const unused = 1;\nexport type Plant = 1;\nexport const plant = 1;',
        /unused/,
      ),
    ],
  },
  {
    name: 'format',
    argv: (files) => tool('oxfmt', '--check', ...files),
    plants: [plant('a file that is not formatted', 'tools/*.ts', 'export const x   =  1', /planted/)],
  },
  {
    name: 'generated files',
    argv: () => script('tools/generate.ts', '--check'),
    plants: [
      plant('a stale diagram', 'ARCHITECTURE.md', MARKS, /stale/),
      plant('a stale page of proofs', 'docs/proofs.md', 'old', /stale/),
      plant('a stale reference page', 'docs/reference/config.md', 'old', /stale/),
    ],
  },
];

/** What the guards look at. node_modules is linked; its links to our packages lead to the originals. */
const COPIED =
  'packages examples proofs tools docs architecture.json ARCHITECTURE.md package.json tsconfig.json tsconfig.base.json .oxlintrc.json .oxfmtrc.json knip.jsonc vitest.config.ts'.split(
    ' ',
  );

/** Runs a guard over a copy that holds its plants. @returns a sentence for each that it got wrong */
async function tryOut(guard: Guard, base: string): Promise<readonly string[]> {
  const folder = path.join(base, guard.name);
  const skipped = /(^|\/)(node_modules|\.towpath)(\/|$)/;
  for (const name of COPIED) {
    await cp(path.join(ROOT, name), path.join(folder, name), {
      recursive: true,
      filter: (from) => !skipped.test(path.relative(ROOT, from)),
    });
  }
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const { file, code } of guard.plants) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), `${code}\n`);
  }
  const { code, output } = await execute(guard.argv(guard.plants.map(({ file }) => file)), folder);
  const lines = output.split('\n');
  const wrong = guard.plants.flatMap(({ offence, file, says }) => {
    const about = lines.filter((line) => line.includes(file));
    const heard = about.length === 0 ? 'nothing' : about.join(' | ');
    if (says === 'nothing') return about.length === 0 ? [] : [`${guard.name} minds ${offence}: ${heard}`];
    return about.some((line) => says.test(line)) ? [] : [`${guard.name} overlooks ${offence}; it said ${heard}`];
  });
  // One that names all and still ends with 0 would stop nobody.
  if (code === 0) wrong.push(`${guard.name} ends with 0 although there are offences`);
  if (wrong.length > 0 && lines.length < 60) wrong.push(output);
  return wrong;
}

async function execute([file, ...args]: Part['argv'], cwd: string): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    const env = { ...process.env, TOWPATH_ARCH_ROOT: cwd, NO_COLOR: '1', FORCE_COLOR: undefined };
    execFile(file, args, { cwd, env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : 1, output: `${out}\n${err}` }),
    );
  });
}

const base = await mkdtemp(path.join(tmpdir(), 'towpath-selftest-'));
try {
  const wrong: string[] = [];
  for (const guard of GUARDS) wrong.push(...(await tryOut(guard, base)));
  for (const line of wrong) say(line);
  const plants = GUARDS.flatMap((guard) => guard.plants);
  say(wrong.length === 0 ? `${plants.length} plants, each judged rightly` : 'NOT EVERY GUARD BARKS: see above');
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await rm(base, { recursive: true, force: true });
}
