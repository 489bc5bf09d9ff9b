import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import type { BuildSource } from './model.ts';
import type { Tools } from './tools.ts';
import { removeTree, transfer, walk, type Entry } from './tree.ts';

/** Never part of a release: what is made elsewhere, and what may hold secrets. */
function belongs(relative: string): boolean {
  return relative
    .split('/')
    .every(
      (part) =>
        part !== 'node_modules' &&
        part !== '.git' &&
        part !== '.towpath' &&
        (!part.startsWith('.env') || part === '.env.example'),
    );
}

/** Puts the source into `to`. @returns the full commit hash, or the folder */
export async function layOut(source: BuildSource, to: string, tools: Tools): Promise<string> {
  const dir = path.resolve(source.dir);
  const found = await stat(dir).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new TowpathError('artifact.no_source', `there is no folder ${dir} to build from`, {
      remedy: 'fix-input',
      hint: 'give the folder of the app',
    });
  }
  await mkdir(to, { recursive: true, mode: 0o755 });
  if (source.kind === 'commit') return await ofCommit(dir, source.commit, to, tools);
  const listed = await tools.ask(['git', 'ls-files', '-z', '-co', '--exclude-standard', '--', '.'], dir).catch(noGit);
  const entries: readonly Entry[] =
    listed.code === 0
      ? await typed(
          dir,
          listed.stdout.split('\0').filter((name) => name !== '' && belongs(name)),
        )
      : await walk(dir, belongs);
  await transfer(dir, to, entries, 'copy');
  return dir;
}

async function ofCommit(dir: string, commit: string, to: string, tools: Tools): Promise<string> {
  const unknown = (why: string): TowpathError =>
    new TowpathError('artifact.unknown_commit', `${commit} cannot be built from ${dir}: ${why}`, {
      remedy: 'fix-input',
      hint: 'give a commit, branch or tag of that repository (git log shows them); fetch it first if it is elsewhere',
    });
  const known = await tools
    .ask(['git', 'rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`], dir)
    .catch(noGit);
  const hash = known.stdout.trim();
  if (known.code !== 0 || hash === '') throw unknown('there is no such commit');
  const tar = `${to}.tar`;
  try {
    // In a folder below the top, git archives that folder alone, with paths relative to it.
    const done = await tools.ask(['git', 'archive', '--format=tar', `--output=${tar}`, hash], dir);
    if (done.code !== 0) throw unknown('this folder is not in it');
    await tools.must('unpacking the commit', ['tar', '-xf', tar, '-C', to], to);
  } finally {
    await rm(tar, { force: true });
  }
  for (const entry of await walk(to)) if (!belongs(entry.path)) await removeTree(path.join(to, entry.path));
  return hash;
}

async function typed(dir: string, names: readonly string[]): Promise<readonly Entry[]> {
  const known = new Set(names);
  // A submodule is listed as its folder: what is in it comes along.
  const parents = new Set(names.flatMap((name) => name.split('/').map((_, i, all) => all.slice(0, i + 1).join('/'))));
  const inside = (relative: string): boolean =>
    belongs(relative) &&
    (parents.has(relative) || relative.split('/').some((_, i, all) => known.has(all.slice(0, i).join('/'))));
  return await walk(dir, inside);
}

const noGit = (error: unknown): { readonly code: number; readonly stdout: string } => {
  // Without git on the PATH a folder is still a folder.
  if (error instanceof TowpathError && error.code === 'exec.not_found') return { code: 127, stdout: '' };
  throw error;
};
