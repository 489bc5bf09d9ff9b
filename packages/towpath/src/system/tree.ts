import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from './files.ts';

/** What is at a path; undefined when nothing is. */
export async function kindOf(file: string): Promise<'file' | 'folder' | 'other' | undefined> {
  try {
    const found = await stat(file);
    if (found.isFile()) return 'file';
    return found.isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Names in a folder, sorted; folders end in `/`. Empty when there is no such folder. */
export async function listFolder(dir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).toSorted();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** The nearest folder from `dir` upwards that holds a file of this name; undefined when none does. */
export async function findUp(name: string, dir: string): Promise<string | undefined> {
  let here = path.resolve(dir);
  for (;;) {
    if ((await kindOf(path.join(here, name))) === 'file') return here;
    const parent = path.dirname(here);
    if (parent === here) return undefined;
    here = parent;
  }
}
