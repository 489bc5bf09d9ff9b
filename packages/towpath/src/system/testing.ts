import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256 } from '../kernel/index.ts';
import { ensureDatabase, ensureEmbeddedPostgres, removeEmbeddedPostgres } from './embedded-postgres.ts';
import { openDatabase, sql } from './postgres.ts';
import { identify, isAlive, signalProcess } from './process.ts';
import { migrateOwnSchema, ownSqlDir, readSchemaFiles } from './schema.ts';

/** Set by testing-setup.ts for the test processes of one run. */
const SHARED = 'TOWPATH_TEST_POSTGRES';
const PREFIX = 'towpath-test-postgres-';

export interface TestDatabase {
  readonly url: string;
  /** Drops it, whoever is still connected. */
  dispose(): Promise<void>;
}

export interface TestPostgres {
  readonly adminUrl: string;
  readonly pid: number;
  /** `empty`: without our schema, as an app's database. */
  createDatabase(options?: { readonly empty?: boolean }): Promise<TestDatabase>;
  /** Stops the server and deletes it. */
  stop(): Promise<void>;
}

/** A Postgres of one's own, without fsync, gone with `stop` or at the end of this process. */
export async function startTestPostgres(options: { readonly major?: number } = {}): Promise<TestPostgres> {
  await sweep();
  const dir = await mkdtemp(path.join(tmpdir(), PREFIX));
  // The server's user must get in when we are root.
  await chmod(dir, 0o711);
  await writeFile(path.join(dir, 'owner.json'), JSON.stringify(identify(process.pid)));
  const server = await ensureEmbeddedPostgres({ dir, major: options.major ?? 15, durable: false });
  const identity = identify(server.pid);
  const atExit = (): void => {
    // Nothing can be awaited here: SIGQUIT ends it at once, and the files go.
    if (identity !== undefined) signalProcess(identity, 'SIGQUIT');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', atExit);
  return {
    adminUrl: server.adminUrl,
    pid: server.pid,
    createDatabase: (wanted) => cloneDatabase(server.adminUrl, wanted?.empty === true),
    async stop() {
      await removeEmbeddedPostgres(dir);
      process.off('exit', atExit);
    },
  };
}

let own: Promise<TestPostgres> | undefined;

/**
 * A fresh database for one test, cloned from a template with our schema (about 50 ms). Within vitest it
 * is on the server of the run; elsewhere on one of this process's own.
 */
export async function createTestDatabase(options: { readonly empty?: boolean } = {}): Promise<TestDatabase> {
  const shared = process.env[SHARED];
  if (shared !== undefined) return await cloneDatabase(shared, options.empty === true);
  own ??= startTestPostgres();
  return await (await own).createDatabase(options);
}

/** Starts the server that all tests of a run share. @returns its end */
export async function shareTestPostgres(): Promise<() => Promise<void>> {
  const server = await startTestPostgres();
  process.env[SHARED] = server.adminUrl;
  return async () => {
    delete process.env[SHARED];
    await server.stop();
  };
}

async function cloneDatabase(adminUrl: string, empty: boolean): Promise<TestDatabase> {
  const template = empty ? 'template1' : await ensureTemplate(adminUrl);
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = openDatabase(adminUrl, { max: 1 });
  try {
    await admin.query({ text: `create database ${name} template ${template}`, values: [] });
  } finally {
    await admin.close();
  }
  return {
    url: urlOf(adminUrl, name),
    async dispose() {
      const again = openDatabase(adminUrl, { max: 1 });
      try {
        await again.query({ text: `drop database if exists ${name} with (force)`, values: [] });
      } finally {
        await again.close();
      }
    },
  };
}

/** The template is named by the content of our SQL files, so a changed file makes another one. */
async function ensureTemplate(adminUrl: string): Promise<string> {
  const dir = ownSqlDir();
  const content = readdirSync(dir)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name) => `${name}\n${readFileSync(path.join(dir, name), 'utf8')}`);
  const name = `towpath_${sha256(content.join('\n')).slice(0, 12)}`;
  const admin = openDatabase(adminUrl, { max: 1 });
  try {
    const ready = async (): Promise<boolean> =>
      (await admin.query(sql`select 1 from pg_database where datname = ${name}`)).length > 0;
    if (await ready()) return name;
    const session = await admin.session({ name: 'towpath template' });
    try {
      await session.query(sql`select pg_advisory_lock(1886781697, 2)`);
      if (await ready()) return name;
      await readSchemaFiles(dir);
      const making = `making_${randomBytes(4).toString('hex')}`;
      const database = openDatabase(await ensureDatabase(adminUrl, making), { max: 1 });
      try {
        await migrateOwnSchema(database, dir);
      } finally {
        await database.close();
      }
      await session.script(`alter database ${making} rename to ${name}`);
      return name;
    } finally {
      await session.close();
    }
  } finally {
    await admin.close();
  }
}

function urlOf(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Ends what a killed test run has left: its owner is named in the folder and is dead. */
async function sweep(): Promise<void> {
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  for (const name of left) {
    const dir = path.join(tmpdir(), name);
    const owner: unknown = await readFile(path.join(dir, 'owner.json'), 'utf8')
      .then((text): unknown => JSON.parse(text))
      .catch(() => undefined);
    if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('started' in owner)) continue;
    if (isAlive({ pid: Number(owner.pid), started: String(owner.started) })) continue;
    await removeEmbeddedPostgres(dir).catch(() => {});
  }
}
