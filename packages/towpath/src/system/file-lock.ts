import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { hasCode } from './files.ts';
import { identify, isAlive, type ProcessIdentity } from './process.ts';
import { until } from './wait.ts';

/**
 * Runs `work` while this process alone holds the lock file; waits for another holder. The file names
 * its holder, so a lock left by a killed process is taken over.
 * @param options.within milliseconds to wait for the lock
 * @throws TowpathError `wait.deadline`
 */
export async function withFileLock<T>(
  file: string,
  options: { readonly within: number; readonly signal?: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const me = identify(process.pid) ?? { pid: process.pid, started: '' };
  // The token tells apart two holders within one process.
  const content = JSON.stringify({ ...me, token: randomBytes(8).toString('hex') });
  await until(`lock ${file}`, () => take(file, content), { every: 25, ...options });
  try {
    return await work();
  } finally {
    if ((await readFile(file, 'utf8').catch(() => '')) === content) await rm(file, { force: true });
  }
}

async function take(file: string, content: string): Promise<boolean> {
  // Written apart and linked into place, so that nobody ever reads half a lock.
  const own = `${file}.${randomBytes(4).toString('hex')}`;
  const handle = await open(own, 'wx', 0o600);
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(own, { force: true });
  }
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found === undefined || holderLives(found)) return false;
  // Moved away rather than removed: if someone took the lock since we read it, it is put back.
  const aside = `${own}.stale`;
  await rename(file, aside).catch(() => {});
  if ((await readFile(aside, 'utf8').catch(() => found)) !== found) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
  return false;
}

function holderLives(content: string): boolean {
  try {
    const parsed: unknown = JSON.parse(content);
    return isIdentity(parsed) && isAlive(parsed);
  } catch {
    // Not ours, or damaged: nobody can be said to hold it.
    return false;
  }
}

function isIdentity(value: unknown): value is ProcessIdentity {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'started' in value &&
    typeof value.started === 'string'
  );
}
