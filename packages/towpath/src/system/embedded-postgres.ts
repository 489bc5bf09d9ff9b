import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import { findBinaries, reachableBinaries } from './embedded-postgres-binaries.ts';
import { findPlace, SHARED_PLACE } from './embedded-postgres-place.ts';
import { answers, freePort, initialise, start, superuserUrl } from './embedded-postgres-start.ts';
import { withFileLock } from './file-lock.ts';
import { hasCode, readText, writeAtomic } from './files.ts';
import { openDatabase, sql } from './postgres.ts';
import { identify, isAlive, signalProcess, type ProcessIdentity } from './process.ts';
import { until } from './wait.ts';

export interface EmbeddedPostgresOptions {
  /** Belongs to this server alone; made when missing. */
  readonly dir: string;
  readonly major: number;
  readonly signal?: AbortSignal;
  /** One line for people before something slow. */
  readonly onNote?: (line: string) => void;
  /** false: no fsync, for tests whose data may be lost. */
  readonly durable?: boolean;
}

export interface EmbeddedPostgres {
  /** Of the superuser; holds the password. */
  readonly adminUrl: string;
  readonly pid: number;
  readonly port: number;
  readonly major: number;
  readonly alreadyRunning: boolean;
}

/** What `<dir>/server.json` remembers. */
interface Recorded {
  readonly port: number;
  readonly process: ProcessIdentity | undefined;
}

const LOCK_MS = 240_000;

/**
 * A real Postgres on 127.0.0.1 that outlives the caller; makes it, starts it, or finds it running.
 * The port stays the same for the life of the data.
 * @throws TowpathError `postgres.binaries_missing`, `postgres.wrong_major`, `postgres.port_taken`,
 * `postgres.disk_full`, `postgres.start_failed`, `postgres.no_user`
 */
export async function ensureEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dir = path.resolve(options.dir);
  // Passable for the server's user; what is secret in it has its own mode.
  await mkdir(dir, { recursive: true, mode: 0o711 });
  const lock = { within: LOCK_MS, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  return await withFileLock(path.join(dir, 'server.lock'), lock, () => ensure({ ...options, dir }));
}

async function ensure(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dir, major, signal } = options;
  const note = options.onNote ?? (() => {});
  const place = await findPlace(dir);
  const data = path.join(place.home, 'data');
  const password = await ensurePassword(dir);
  const present = (await readText(path.join(data, 'PG_VERSION')))?.trim();
  if (present !== undefined && present !== String(major)) {
    throw new TowpathError('postgres.wrong_major', `the data in ${data} is of Postgres ${present}, not ${major}`, {
      remedy: 'fix-input',
      hint: `set postgres.major to ${present} in towpath.config.ts, or move ${dir} away to begin with an empty Postgres ${major}`,
    });
  }
  const recorded = await readRecorded(dir);
  const running = await findRunning(data, password, recorded);
  if (running !== undefined) {
    await record(dir, running);
    return { ...running, adminUrl: superuserUrl(running.port, password), major, alreadyRunning: true };
  }
  const found = await findBinaries(dir, major, note, signal);
  const binaries = await reachableBinaries(found, place.as, SHARED_PLACE);
  if (present === undefined) {
    note(`creating a Postgres ${major} in ${place.home}`);
    await initialise(place, binaries, password, options.durable !== false, signal);
  }
  const port = recorded?.port ?? (await freePort());
  await dropStalePidFile(data, recorded);
  // Before the start, so that the port is kept even when we are killed in between.
  await writeAtomic(path.join(dir, 'server.json'), JSON.stringify({ port }));
  const pid = await start(place, binaries, port, password, options.durable !== false, signal);
  await record(dir, { pid, port });
  return { adminUrl: superuserUrl(port, password), pid, port, major, alreadyRunning: false };
}

/**
 * Stops the server of `dir`: at once for its clients (SIGINT, fast), then harder. A server that does
 * not run is a success. @returns whether one was running
 */
export async function stopEmbeddedPostgres(dir: string, signal?: AbortSignal): Promise<boolean> {
  const lock = { within: LOCK_MS, ...(signal === undefined ? {} : { signal }) };
  const full = path.resolve(dir);
  if ((await readText(path.join(full, 'place'))) === undefined) return false;
  return await withFileLock(path.join(full, 'server.lock'), lock, async () => {
    const { home } = await findPlace(full);
    const recorded = await readRecorded(full);
    const running = await findRunning(path.join(home, 'data'), await ensurePassword(full), recorded);
    const known = recorded?.process !== undefined && isAlive(recorded.process) ? recorded.process : undefined;
    const target = known ?? (running === undefined ? undefined : identify(running.pid));
    if (target === undefined) return false;
    for (const [how, within] of [
      ['SIGINT', 20_000],
      ['SIGQUIT', 10_000],
      ['SIGKILL', 5_000],
    ] as const) {
      signalProcess(target, how);
      const ended = until('end of Postgres', () => !isAlive(target), { every: 10, within });
      if (await ended.catch(() => false)) break;
    }
    return true;
  });
}

/** Stops the server and deletes its data. */
export async function removeEmbeddedPostgres(dir: string): Promise<void> {
  await stopEmbeddedPostgres(dir);
  const home = (await readText(path.join(path.resolve(dir), 'place')))?.trim();
  if (home !== undefined && home !== '') await rm(home, { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
}

/** Makes the database when it is missing. @returns its URL, with the credentials of `adminUrl` */
export async function ensureDatabase(adminUrl: string, name: string): Promise<string> {
  if (!/^[a-z_][a-z0-9_-]{0,62}$/.test(name)) {
    throw new TowpathError('postgres.database_name', `"${name}" cannot be the name of a database here`, {
      remedy: 'fix-input',
      hint: 'use lower-case letters, digits, - and _, at most 63, starting with a letter',
    });
  }
  const admin = openDatabase(adminUrl, { max: 1 });
  try {
    const found = await admin.query(sql`select 1 from pg_database where datname = ${name}`);
    if (found.length === 0) {
      await admin.query({ text: `create database "${name}"`, values: [] }).catch((error: unknown) => {
        // Someone else made it just now (duplicate_database, or the unique index of the catalog).
        if (!hasCode(error, '42P04', '23505')) throw error;
      });
    }
  } finally {
    await admin.close();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

async function ensurePassword(dir: string): Promise<string> {
  const file = path.join(dir, 'password');
  const known = (await readText(file))?.trim();
  if (known !== undefined && known !== '') return known;
  const made = randomBytes(24).toString('hex');
  await writeAtomic(file, `${made}\n`, 0o600);
  return made;
}

async function readRecorded(dir: string): Promise<Recorded | undefined> {
  const text = await readText(path.join(dir, 'server.json'));
  if (text === undefined) return undefined;
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || !('port' in parsed)) return undefined;
  const pid = 'pid' in parsed ? Number(parsed.pid) : undefined;
  const started = 'started' in parsed ? String(parsed.started) : '';
  return { port: Number(parsed.port), process: pid === undefined ? undefined : { pid, started } };
}

async function record(dir: string, running: { readonly pid: number; readonly port: number }): Promise<void> {
  const { started } = identify(running.pid) ?? { started: '' };
  await writeAtomic(path.join(dir, 'server.json'), JSON.stringify({ port: running.port, pid: running.pid, started }));
}

/** A server is ours when it takes our password and says that it runs on our data: a pid proves nothing. */
async function findRunning(
  data: string,
  password: string,
  recorded: Recorded | undefined,
): Promise<{ readonly pid: number; readonly port: number } | undefined> {
  const [pidLine, , , portLine] = ((await readText(path.join(data, 'postmaster.pid'))) ?? '').split('\n');
  const pid = Number(pidLine);
  const port = Number(portLine) || recorded?.port;
  if (!(pid > 0) || port === undefined || identify(pid) === undefined) return undefined;
  if (recorded?.process?.pid === pid && !isAlive(recorded.process)) return undefined;
  return (await answers(port, password, data)) ? { pid, port } : undefined;
}

/** After a crash of the machine the file may name a pid that someone else has now; Postgres would refuse to start. */
async function dropStalePidFile(data: string, recorded: Recorded | undefined): Promise<void> {
  const file = path.join(data, 'postmaster.pid');
  const pid = Number.parseInt((await readText(file)) ?? '', 10);
  if (pid > 0 && recorded?.process?.pid === pid && !isAlive(recorded.process)) await rm(file, { force: true });
}
