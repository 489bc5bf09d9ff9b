import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  constants,
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
} from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import { hasCode } from '../system/index.ts';

/** A file or link below a root; folders count only by what is in them. */
export interface Entry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly type: 'file' | 'link';
}

/** Everything below `root`, sorted by path. `keep` says which folders and files to look at. */
export async function walk(root: string, keep: (relative: string) => boolean = () => true): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  const visit = async (relative: string): Promise<void> => {
    const items = await readdir(path.join(root, relative), { withFileTypes: true });
    await each(items, async (item) => {
      const at = relative === '' ? item.name : `${relative}/${item.name}`;
      if (!keep(at)) return;
      if (item.isDirectory()) await visit(at);
      else if (item.isFile()) found.push({ path: at, type: 'file' });
      else if (item.isSymbolicLink()) found.push({ path: at, type: 'link' });
      // Sockets and pipes are nothing that a release could hold.
    });
  };
  await visit('');
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Puts the entries of one root into another. `link` shares the bytes on disk: only for files that are
 * read-only and that nobody writes to; `copy` shares them where the filesystem can copy on write.
 */
export async function transfer(
  from: string,
  to: string,
  entries: readonly Entry[],
  how: 'link' | 'copy',
): Promise<void> {
  const folders = new Set(entries.map((entry) => path.posix.dirname(entry.path)));
  await mkdir(to, { recursive: true, mode: 0o755 });
  for (const folder of folders) await mkdir(path.join(to, folder), { recursive: true, mode: 0o755 });
  await each(entries, async (entry) => {
    const source = path.join(from, entry.path);
    const target = path.join(to, entry.path);
    try {
      if (entry.type === 'link') await symlink(await readlink(source), target);
      else if (how === 'link') await link(source, target);
      else {
        await copyFile(source, target, constants.COPYFILE_FICLONE);
        const { mode } = await lstat(source);
        await chmod(target, (mode & 0o111) === 0 ? 0o644 : 0o755);
      }
    } catch (error) {
      // Listed by git but deleted in the working tree, or deleted just now.
      if (hasCode(error, 'ENOENT')) return;
      if (how === 'link' && hasCode(error, 'EMLINK', 'EXDEV', 'EPERM')) return await copyFile(source, target);
      throw error;
    }
  });
}

/** One line of the digest: path, type, whether it can be executed, hash of content or the link's target. */
export interface Sealed {
  readonly path: string;
  readonly line: string;
}

/**
 * The digest of a tree: SHA-256 over the sorted lines. With `seal` every file is made read-only first.
 * @throws TowpathError `artifact.link_outside`
 */
export async function digestOf(
  root: string,
  options: { readonly seal: boolean },
): Promise<{ readonly digest: string; readonly lines: readonly Sealed[] }> {
  const entries = await walk(root);
  const lines: Sealed[] = [];
  await each(entries, async (entry) => {
    const full = path.join(root, entry.path);
    if (entry.type === 'link') {
      const target = await readlink(full);
      refuseOutside(root, entry.path, target);
      lines.push({ path: entry.path, line: `${entry.path}\0link\0-\0${target}\n` });
      return;
    }
    const [{ mode }, content] = await Promise.all([lstat(full), readFile(full)]);
    const executable = (mode & 0o100) !== 0;
    const sealed = executable ? 0o555 : 0o444;
    if (options.seal && (mode & 0o777) !== sealed) await chmod(full, sealed);
    const hash = createHash('sha256').update(content).digest('hex');
    lines.push({ path: entry.path, line: `${entry.path}\0file\0${executable ? 'x' : '-'}\0${hash}\n` });
  });
  const sorted = lines.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const digest = createHash('sha256');
  for (const { line } of sorted) digest.update(line);
  return { digest: digest.digest('hex'), lines: sorted };
}

function refuseOutside(root: string, at: string, target: string): void {
  const reached = path.resolve(root, path.dirname(at), target);
  if (!path.isAbsolute(target) && (reached === root || reached.startsWith(`${root}${path.sep}`))) return;
  throw new TowpathError('artifact.link_outside', `${at} links to ${target}, which is outside of the app's folder`, {
    remedy: 'fix-input',
    hint: 'a release must hold all that it runs: put what is linked inside the folder; for a `file:` dependency, npm pack it and depend on the .tgz',
  });
}

/** Deletes a tree, also one whose folders are read-only. */
export async function removeTree(root: string): Promise<void> {
  const open = async (dir: string): Promise<void> => {
    await chmod(dir, 0o755);
    for (const item of await readdir(dir, { withFileTypes: true })) {
      if (item.isDirectory()) await open(path.join(dir, item.name));
    }
  };
  await rm(root, { recursive: true, force: true }).catch(async (error: unknown) => {
    if (!hasCode(error, 'EACCES', 'EPERM')) throw error;
    await open(root);
    await rm(root, { recursive: true, force: true });
  });
}

// Enough to keep the thread pool busy; more only holds more files open.
const AT_ONCE = 32;

/** Does something with each item, some at the same time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
