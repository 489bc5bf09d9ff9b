import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../../kernel/index.ts';
import type { RouteTable } from '../contract.ts';
import { DEFAULT_SETTINGS, type RouterSettings } from './settings.ts';
import { EMPTY_TABLE, isRecord, parseTable } from './table.ts';

/** All that a router needs to serve as before; holds the signing key, so only the owner may read it. */
export interface Snapshot {
  readonly version: 1;
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly settings: RouterSettings;
  readonly epoch: number;
  readonly table: RouteTable;
}

const fileIn = (dir: string): string => path.join(dir, 'snapshot.json');

export const freshSnapshot = (host: string, port: number): Snapshot => ({
  version: 1,
  key: randomBytes(32).toString('base64url'),
  host,
  port,
  settings: DEFAULT_SETTINGS,
  epoch: 0,
  table: EMPTY_TABLE,
});

/**
 * The snapshot in `dir`; undefined when there is none.
 * @throws TowpathError `router.bad_snapshot`
 */
export async function readSnapshot(dir: string): Promise<Snapshot | undefined> {
  let text: string;
  try {
    text = await readFile(fileIn(dir), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) throw new Error('not an object');
    const { version, key, host, port, settings, epoch, table } = value;
    if (version !== 1 || typeof key !== 'string' || key.length < 32) throw new Error('no key');
    if (typeof host !== 'string' || typeof port !== 'number' || typeof epoch !== 'number')
      throw new Error('no address');
    const merged: RouterSettings = { ...DEFAULT_SETTINGS, ...(typeof settings === 'object' ? settings : {}) };
    return { version, key, host, port, settings: merged, epoch, table: parseTable(table) };
  } catch (cause) {
    throw new TowpathError('router.bad_snapshot', `${fileIn(dir)} cannot be read as a snapshot`, {
      remedy: 'halt',
      hint: `move the file away and run \`towpath up\`: the router starts empty and the control plane fills it again`,
      cause,
    });
  }
}

/** Returns once the snapshot is on the disk: a crash at any moment leaves the old one or this one. */
export async function writeSnapshot(dir: string, snapshot: Snapshot): Promise<void> {
  // Not system/writeAtomic: its door also loads pg, which has no place in the router's process.
  const file = fileIn(dir);
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(snapshot));
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
  const folder = await open(dir, 'r');
  await folder.sync().catch(() => {});
  await folder.close();
}
