import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from '../../system/index.ts';

/** How many old parts of a log are kept, `.1` the newest. */
export const KEEP_PARTS = 3;
/** Logs of so many destroyed instances stay, for each group. */
const KEEP_GONE = 20;
const LOG_NAME = /^(\d+)\.(.+)\.(out|err)\.log(?:\.(\d+))?$/;

export interface LogName {
  readonly release: number;
  readonly instance: string;
  readonly stream: 'out' | 'err';
  /** 0 for the file being written. */
  readonly part: number;
}

export function parseLogName(name: string): LogName | undefined {
  const match = LOG_NAME.exec(name);
  if (match === null) return undefined;
  const [, release, instance, stream, part] = match;
  if (instance === undefined) return undefined;
  return {
    release: Number(release),
    instance,
    stream: stream === 'err' ? 'err' : 'out',
    part: part === undefined ? 0 : Number(part),
  };
}

/**
 * Moves what a log holds to `.1` when it is over `maxBytes`, by copying and emptying it: the process
 * keeps writing to the same open file, also when we are not there. What it writes in the microseconds
 * between the last read and the emptying is lost. On a full disk the oldest part is given up instead.
 */
export async function rotate(file: string, maxBytes: number): Promise<boolean> {
  if (sizeOf(file) <= maxBytes) return false;
  const copy = `${file}.copy`;
  try {
    await copyFile(file, copy);
    for (let part = KEEP_PARTS; part > 1; part--) await renameIfThere(`${file}.${part - 1}`, `${file}.${part}`);
    const from = openSync(file, 'r+');
    const to = openSync(copy, 'r+');
    try {
      // The rest, written while we copied; from here on without a pause.
      let at = fstatSync(to).size;
      const buffer = Buffer.allocUnsafe(64 * 1024);
      for (let n = readSync(from, buffer, 0, buffer.length, at); n > 0;) {
        at += writeSync(to, buffer, 0, n, at);
        n = readSync(from, buffer, 0, buffer.length, at);
      }
      ftruncateSync(from, 0);
    } finally {
      closeSync(from);
      closeSync(to);
    }
    await rename(copy, `${file}.1`);
  } catch (error) {
    await rm(copy, { force: true });
    if (hasCode(error, 'ENOENT')) return false;
    if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    await giveUpOldest(file);
  }
  return true;
}

async function giveUpOldest(file: string): Promise<void> {
  for (let part = KEEP_PARTS; part >= 1; part--) {
    if (sizeOf(`${file}.${part}`) > 0) return await rm(`${file}.${part}`, { force: true });
  }
  const fd = openSync(file, 'r+');
  ftruncateSync(fd, 0);
  closeSync(fd);
}

/** Deletes the logs of all but the last destroyed instances of a group. @param alive ids that are not gone */
export async function pruneLogs(groupDir: string, alive: ReadonlySet<string>): Promise<void> {
  const newest = new Map<string, number>();
  const files: { readonly file: string; readonly instance: string }[] = [];
  for (const name of namesIn(groupDir)) {
    const log = parseLogName(name);
    if (log === undefined || alive.has(log.instance)) continue;
    const file = path.join(groupDir, name);
    files.push({ file, instance: log.instance });
    newest.set(log.instance, Math.max(newest.get(log.instance) ?? 0, modifiedAt(file)));
  }
  const kept = new Set(
    [...newest]
      .sort(([, a], [, b]) => b - a)
      .slice(0, KEEP_GONE)
      .map(([instance]) => instance),
  );
  for (const { file, instance } of files) if (!kept.has(instance)) await rm(file, { force: true });
}

/** The names in a folder; none when it is missing. */
export function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Milliseconds since the epoch; 0 when there is no such file. */
export function modifiedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
