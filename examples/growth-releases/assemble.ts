import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.join(HERE, '..', '..');
const COMMAND_MS = 60_000;

/** What each version is made of: growth itself, then these folders over it. */
const VERSIONS = [
  { name: 'v1', over: [], message: 'Four recommenders, an operator page and a worker' },
  { name: 'v2', over: ['v2'], message: 'Rank actions by score, and look at web vitals' },
  { name: 'v3-bad', over: ['v2', 'v3-bad'], message: 'Watch the request window' },
  { name: 'v4-bad', over: ['v2', 'v4-bad'], message: 'Wait for the catalogue before taking requests' },
  { name: 'v5', over: ['v2', 'v5'], message: 'Friendlier words on an empty list' },
] as const;

export type GrowthVersion = (typeof VERSIONS)[number]['name'];

/** The versions in the order of their commits. */
export const growthVersions: readonly GrowthVersion[] = VERSIONS.map(({ name }) => name);

export interface AssembledGrowth {
  readonly dir: string;
  /** Commit of each version; each is also a tag. */
  readonly commits: Readonly<Record<GrowthVersion, string>>;
}

/**
 * Makes a git repository of growth in `dir`, with a commit and a tag for each version, as its team would
 * have it: the sdk is a tarball in vendor/, and `npm ci --omit=dev` works. `main` ends at v5; the working tree is at v1.
 * Takes about 3 s. @param dir an empty folder, or one that is not there
 */
export async function assembleGrowth({ dir }: { readonly dir: string }): Promise<AssembledGrowth> {
  await mkdir(dir, { recursive: true });
  if ((await readdir(dir)).length > 0) throw new Error(`${dir} is not empty`);
  const stage = await mkdtemp(path.join(tmpdir(), 'growth-sdk-'));
  try {
    await packSdk(stage);
    await git(dir, 'init', '--quiet', '--initial-branch=main');
    const commits: Partial<Record<GrowthVersion, string>> = {};
    for (const [i, version] of VERSIONS.entries()) {
      await clear(dir);
      await cp(path.join(ROOT, 'examples', 'growth'), dir, { recursive: true, filter: belongs });
      for (const folder of version.over) await cp(path.join(HERE, folder), dir, { recursive: true });
      await cp(path.join(stage, 'vendor'), path.join(dir, 'vendor'), { recursive: true });
      await git(dir, 'add', '--all');
      const date = `2026-01-0${i + 1}T09:00:00Z`;
      await git(dir, 'commit', '--quiet', `--date=${date}`, '-m', version.message);
      await git(dir, 'tag', version.name);
      commits[version.name] = (await git(dir, 'rev-parse', 'HEAD')).trim();
    }
    await git(dir, 'checkout', '--quiet', '--detach', 'v1');
    const { v1, v2, 'v3-bad': v3, 'v4-bad': v4, v5 } = commits;
    if (!v1 || !v2 || !v3 || !v4 || !v5) throw new Error('a version has no commit');
    return { dir, commits: { v1, v2, 'v3-bad': v3, 'v4-bad': v4, v5 } };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Tests reach into the workspace, so they stay here; so does what is installed or built. */
function belongs(source: string): boolean {
  const name = path.basename(source);
  return !['node_modules', 'testing', '.towpath', 'dist'].includes(name) && !name.endsWith('.test.ts');
}

/** Empties the working tree but for git's own folder. */
async function clear(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name !== '.git') await rm(path.join(dir, name), { recursive: true });
  }
}

/** Builds and packs the sdk as it would be published; leaves the workspace as it is. */
async function packSdk(stage: string): Promise<void> {
  const sdk = path.join(ROOT, 'packages', 'sdk');
  const vendor = path.join(stage, 'vendor');
  await mkdir(vendor);
  await mkdir(path.join(stage, 'package'));
  await cp(path.join(sdk, 'package.json'), path.join(stage, 'package', 'package.json'));
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const out = path.join(stage, 'package', 'dist');
  await command(ROOT, process.execPath, tsc, '-p', path.join(sdk, 'tsconfig.build.json'), '--outDir', out);
  await command(path.join(stage, 'package'), 'npm', 'pack', '--ignore-scripts', '--pack-destination', vendor);
}

async function command(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  const done = await run(program, [...args], { cwd, timeout: COMMAND_MS, maxBuffer: 10_000_000 });
  return done.stdout;
}

/** Git without the habits of the machine it runs on: no hooks, no signing, one identity. */
async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const done = await run('git', ['-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgsign=false', ...args], {
    cwd,
    timeout: COMMAND_MS,
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      GIT_AUTHOR_NAME: 'Growth team',
      GIT_AUTHOR_EMAIL: 'growth@example.com',
      GIT_COMMITTER_NAME: 'Growth team',
      GIT_COMMITTER_EMAIL: 'growth@example.com',
    },
  });
  return done.stdout;
}

if (import.meta.main) {
  const dir = process.argv[2];
  if (dir === undefined) {
    process.stderr.write('usage: node examples/growth-releases/assemble.ts <folder>\n');
    process.exit(2);
  }
  process.stdout.write(`${JSON.stringify(await assembleGrowth({ dir }))}\n`);
}
