import path from 'node:path';
import type { Source } from '@towpath/wire';
import { TowpathError } from '../../kernel/index.ts';
import { findUp, kindOf, run } from '../../system/index.ts';
import type { Context, Invocation } from '../command.ts';

const refuse = (
  code: string,
  message: string,
  hint: string,
  details?: Readonly<Record<string, unknown>>,
): TowpathError =>
  new TowpathError(code, message, { remedy: 'fix-input', hint, ...(details === undefined ? {} : { details }) });

async function git(dir: string, env: Context['needs']['env'], ...args: readonly string[]) {
  return await run({ argv: ['git', '-C', dir, ...args], env: { ...env, GIT_OPTIONAL_LOCKS: '0' }, timeoutMs: 20_000 });
}

/** The commit that a name stands for. @throws TowpathError `deploy.no_such_commit` */
async function commitOf(dir: string, ref: string, env: Context['needs']['env']): Promise<string> {
  const found = await git(dir, env, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
  const commit = found.stdout.trim();
  if (found.code === 0 && /^[0-9a-f]{40,64}$/.test(commit)) return commit;
  throw refuse(
    'deploy.no_such_commit',
    `git knows no commit "${ref}" in ${dir}`,
    'name a commit, branch or tag that `git log` shows',
  );
}

/** Paths with uncommitted changes under the folder; our own state does not count. */
async function changes(dir: string, env: Context['needs']['env']): Promise<readonly string[]> {
  const status = await git(dir, env, 'status', '--porcelain', '--untracked-files=normal', '--', '.');
  return status.stdout
    .split('\n')
    .map((line) => line.slice(3))
    .filter((name) => name !== '' && !/(^|\/)\.towpath\//.test(name));
}

async function folder(dir: string): Promise<string> {
  if ((await kindOf(dir)) === 'folder') return dir;
  throw refuse('deploy.no_such_folder', `there is no folder ${dir}`, 'name the folder of the app');
}

/**
 * What to release: a commit when git can vouch for it, a folder when that is said.
 * @throws TowpathError `deploy.dirty_tree`, `deploy.no_such_commit`, `deploy.no_such_folder`, `cli.bad_value`
 */
export async function chooseSource(invocation: Invocation, context: Context): Promise<Source> {
  const { env } = context.needs;
  const given = invocation.text('dir');
  const ref = invocation.text('commit');
  if (given !== undefined && (ref !== undefined || invocation.args['dir'] !== undefined)) {
    throw refuse(
      'cli.bad_value',
      '--dir stands alone',
      'use --dir <path> for a folder, or --commit <ref> for a commit',
    );
  }
  if (given !== undefined) return { kind: 'directory', dir: await folder(path.resolve(context.dir, given)) };
  const start = await folder(path.resolve(context.dir, invocation.args['dir'] ?? '.'));
  const dir = (await findUp('towpath.config.ts', start)) ?? start;
  const inGit =
    (await git(dir, env, 'rev-parse', '--is-inside-work-tree').catch(() => undefined))?.stdout.trim() === 'true';
  if (ref !== undefined) {
    if (!inGit)
      throw refuse('deploy.no_git', `${dir} is not in a git work tree`, 'leave --commit out, or deploy from a clone');
    return { kind: 'commit', dir, commit: await commitOf(dir, ref, env) };
  }
  if (invocation.on('dirty')) return { kind: 'directory', dir };
  if (!inGit) {
    context.terminal.note('  not a git work tree: the folder is released as it is');
    return { kind: 'directory', dir };
  }
  const changed = await changes(dir, env);
  if (changed.length > 0) {
    const named = changed.slice(0, 3).join(', ');
    throw refuse(
      'deploy.dirty_tree',
      `git has uncommitted changes: ${named}${changed.length > 3 ? ` and ${changed.length - 3} more` : ''}`,
      'commit them, release what is committed with --commit HEAD, or release the folder as it is with --dirty',
      { changed: changed.slice(0, 50) },
    );
  }
  return { kind: 'commit', dir, commit: await commitOf(dir, 'HEAD', env) };
}
