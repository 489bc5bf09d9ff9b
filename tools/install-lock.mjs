/**
 * A lock between processes of one checkout: a directory that holds one file named after its owner.
 * Taking it and stealing it from a dead owner are single renames, so of any number that try at once
 * exactly one gets it.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MS = 200;
const WITHIN_MS = 10 * 60_000;

/** Start time of a process in clock ticks, so that a reused pid is not mistaken for it. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    if (process.platform === 'linux') return undefined;
    try {
      process.kill(pid, 0);
      return '0';
    } catch {
      return undefined;
    }
  }
}

const alive = (owner) => {
  const [, pid, start] = /^owner-(\d+)-(\d+)$/.exec(owner) ?? [];
  return pid !== undefined && startOf(Number(pid)) === start;
};

const attempt = (act) => {
  try {
    act();
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
};

/** The name of the file inside; undefined when there is none, or no lock at all. */
const ownerOf = (lock) => {
  try {
    return readdirSync(lock)[0];
  } catch {
    return undefined;
  }
};

/**
 * Runs `work` while no other process holds the lock.
 * @param {string} lock path of the directory
 * @param {(line: string) => void} say told once when it has to wait, and for whom
 * @param {() => Promise<void>} work
 */
export async function holdingLock(lock, say, work) {
  const me = `owner-${process.pid}-${startOf(process.pid) ?? '0'}`;
  const prepared = `${lock}.${process.pid}`;
  rmSync(prepared, { recursive: true, force: true });
  mkdirSync(prepared, { mode: 0o700 });
  writeFileSync(path.join(prepared, me), '');
  const deadline = performance.now() + WITHIN_MS;
  let told = false;
  try {
    // Renaming onto a directory works only when that one is missing or empty.
    while (!attempt(() => renameSync(prepared, lock))) {
      const owner = ownerOf(lock);
      if (owner !== undefined && !alive(owner)) {
        if (attempt(() => renameSync(path.join(lock, owner), path.join(lock, me)))) break;
        continue;
      }
      if (!told && owner !== undefined) say(`towpath: waiting for another install (${owner}) ...`);
      told ||= owner !== undefined;
      if (performance.now() > deadline) {
        throw new Error(
          `the install lock is held by ${String(owner)} for too long; when it is stuck, end it or remove ${lock}`,
        );
      }
      await delay(EVERY_MS);
    }
    await work();
  } finally {
    rmSync(prepared, { recursive: true, force: true });
    if (attempt(() => unlinkSync(path.join(lock, me)))) attempt(() => rmdirSync(lock));
  }
}
