import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { openDatabase, sql, systemClock, type Database } from '../system/index.ts';
import { createTestDatabase } from '../system/testing.ts';
import { createExpand, pending, readMigrations, type ExpandOptions, type Migration } from './index.ts';

type Finish = (work: () => Promise<void>) => void;

const options: ExpandOptions = { release: 1, lockTimeoutMs: 200, budgetMs: 5000, statementTimeoutMs: 5000 };
const expandOn = (database: Database) => createExpand({ database, clock: systemClock, random: Math.random });

async function setup(onTestFinished: Finish): Promise<Database> {
  const made = await createTestDatabase({ empty: true });
  const database = openDatabase(made.url, { max: 4 });
  onTestFinished(async () => {
    await database.close();
    await made.dispose();
  });
  return database;
}

async function folder(onTestFinished: Finish, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-migrations-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text);
  return dir;
}

async function load(onTestFinished: Finish, files: Readonly<Record<string, string>>): Promise<readonly Migration[]> {
  return await readMigrations(await folder(onTestFinished, files));
}

const history = (database: Database) =>
  database.query(sql`select name, state, release from towpath_migrations order by name`);

test('two deploys at once apply each file once, in order', async ({ expect, onTestFinished }) => {
  const database = await setup(onTestFinished);
  const files = await load(onTestFinished, {
    '02_b.sql': 'insert into a values (2); select pg_sleep(0.2);',
    '01_a.sql': 'create table a (n int); insert into a values (1);',
  });
  expect((await pending(database, files)).files.map((file) => file.name)).toEqual(['01_a.sql', '02_b.sql']);
  const both = await Promise.all([1, 2].map((release) => expandOn(database).apply(files, { ...options, release })));
  expect(both.map((applied) => applied.length).toSorted((a, b) => a - b)).toEqual([0, 2]);
  expect(await database.query(sql`select n from a order by n`)).toEqual([{ n: 1 }, { n: 2 }]);
  expect(await pending(database, files)).toEqual({ files: [], notes: [] });
});

test('a failing file is rolled back whole and named with its line, code and advice; the next try resumes', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  const first = { '01_a.sql': 'create table a (n int);' };
  const bad = await load(onTestFinished, {
    ...first,
    '02_b.sql': 'create table b (n int);\n-- wrong\nupdate a set nonsense = 1;',
  });
  await expect(expandOn(database).apply(bad, options)).rejects.toMatchObject({
    code: 'migration.failed',
    message: expect.stringMatching(/^02_b\.sql:3: .*nonsense.*\(42703\) at: update a/),
    details: { file: '02_b.sql', line: 3, postgresCode: '42703' },
  });
  // Most DDL errors come without a position.
  const ddl = await load(onTestFinished, {
    ...first,
    '02_b.sql': 'create table b (n int);\ninsert into b values (1); -- a; b\n\nalter table b\n  drop column nonsense;',
  });
  await expect(expandOn(database).apply(ddl, options)).rejects.toMatchObject({
    message: expect.stringMatching(/^02_b\.sql:4: .*nonsense.*\(42703\) at: alter table b/),
    details: { line: 4 },
  });
  expect(await database.query(sql`select to_regclass('b') as b`)).toEqual([{ b: null }]);
  expect(await history(database)).toEqual([{ name: '01_a.sql', state: 'done', release: 1 }]);
  const good = await load(onTestFinished, { ...first, '02_b.sql': 'create table b (n int);' });
  expect((await expandOn(database).apply(good, { ...options, release: 2 })).map((now) => now.name)).toEqual([
    '02_b.sql',
  ]);
});

test('an applied file that changed is refused; one that sorts before an applied one is noted and run', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  await expandOn(database).apply(await load(onTestFinished, { '02.sql': 'create table a (n int);' }), options);
  const changed = await load(onTestFinished, { '02.sql': 'create table a (n bigint);' });
  await expect(pending(database, changed)).rejects.toMatchObject({ code: 'migration.changed' });
  await expect(expandOn(database).apply(changed, options)).rejects.toMatchObject({ code: 'migration.changed' });
  const late = await load(onTestFinished, {
    '01.sql': 'create table b (n int);',
    '02.sql': 'create table a (n int);\r\n',
  });
  await expect(pending(database, late)).rejects.toMatchObject({ code: 'migration.changed' });
  const fine = await load(onTestFinished, { '01.sql': 'create table b (n int);', '02.sql': 'create table a (n int);' });
  const notes: string[] = [];
  const applied = await expandOn(database).apply(fine, { ...options, onNote: (line) => notes.push(line) });
  expect(applied.map((now) => now.name)).toEqual(['01.sql']);
  expect(notes).toEqual(['01.sql sorts before 02.sql, which is applied already; it runs after it here']);
});

test('a lock that is held gives way to the app: short attempts, then success when it is released', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  await database.query(sql`create table a (n int)`);
  const files = await load(onTestFinished, { '01.sql': 'alter table a add column m int;' });
  const holder = await database.session({ name: 'long report' });
  onTestFinished(() => holder.close());
  await holder.script('begin; select count(*) from a');
  const release = new Promise<void>((resolve, reject) => {
    setTimeout(() => void holder.script('commit').then(resolve, reject), 2500);
  });
  // What a user's query meets meanwhile, the worst of it.
  const reader = openDatabase(await currentUrl(database), { max: 1 });
  onTestFinished(() => reader.close());
  let worst = 0;
  let reading = true;
  const probe = (async () => {
    while (reading) {
      const before = performance.now();
      await reader.query(sql`select count(*) from a`);
      worst = Math.max(worst, performance.now() - before);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const [applied] = await expandOn(database).apply(files, options);
  reading = false;
  await Promise.all([probe, release]);
  expect(applied?.attempts).toBeGreaterThan(1);
  // A plain ALTER would hold the reader up for the whole 2.5 s.
  expect(worst).toBeLessThan(1500);
});

test('a lock not had within the budget names who holds it, since when, and changes nothing', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  await database.query(sql`create table a (n int)`);
  const files = await load(onTestFinished, { '01.sql': 'create table b (n int); alter table a add column m int;' });
  const holder = await database.session({ name: 'long report' });
  onTestFinished(() => holder.close());
  const [me] = await holder.query(sql`select pg_backend_pid() as pid`);
  await holder.script('begin; lock table a in access share mode');
  await expect(expandOn(database).apply(files, { ...options, budgetMs: 900 })).rejects.toMatchObject({
    code: 'migration.lock_timeout',
    message: expect.stringMatching(
      new RegExp(
        `pid ${String(me?.['pid'])} \\(long report\\), idle in transaction, .* since 2\\d{3}-.*: begin; lock table a`,
      ),
    ),
    hint: expect.stringContaining(`pg_terminate_backend(${String(me?.['pid'])})`),
  });
  expect(await database.query(sql`select to_regclass('b') as b`)).toEqual([{ b: null }]);
});

test('a controller that dies, loses its lease or is aborted in the middle leaves nothing half done', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  const files = await load(onTestFinished, { '01.sql': 'create table a (n int); select pg_sleep(0.4);' });
  const none = async () => expect(await database.query(sql`select to_regclass('a') as a`)).toEqual([{ a: null }]);

  const fenced = new Error('lease lost');
  const lost = expandOn(database).apply(files, { ...options, fenceCheck: () => Promise.reject(fenced) });
  await expect(lost).rejects.toMatchObject({ code: 'migration.failed' });
  await none();

  const stop = new AbortController();
  const slow = await load(onTestFinished, { '01.sql': 'create table a (n int); select pg_sleep(4);' });
  const aborted = expandOn(database).apply(slow, { ...options, signal: stop.signal });
  setTimeout(() => stop.abort(new Error('stopped')), 100);
  const before = performance.now();
  await expect(aborted).rejects.toThrow('stopped');
  expect(performance.now() - before).toBeLessThan(3000);
  await none();

  // As by SIGKILL: the connection is gone in the middle of the file.
  const killed = expandOn(database).apply(slow, options);
  setTimeout(() => {
    database
      .query(sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'towpath migrations'`)
      .catch(() => {});
  }, 100);
  await expect(killed).rejects.toMatchObject({ code: 'database.unreachable', remedy: 'retry' });
  await none();
  expect(await expandOn(database).apply(files, options)).toHaveLength(1);
});

test('CREATE INDEX CONCURRENTLY: runs outside a transaction, and an interrupted one is cleared and built again', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  await database.query(sql`create table a as select 1 as n from generate_series(1, 2)`);
  const text = '-- adds the index\n-- towpath: no-transaction\ncreate unique index concurrently a_n on a (n);';
  const files = await load(onTestFinished, { '01.sql': text });
  expect(files[0]?.transactional).toBe(false);
  await expect(expandOn(database).apply(files, options)).rejects.toMatchObject({
    code: 'migration.failed',
    details: { postgresCode: '23505' },
  });
  const indexes = () =>
    database.query(sql`
    select indisvalid as valid from pg_index where indexrelid = to_regclass('a_n')`);
  expect(await indexes()).toEqual([]);
  expect(await history(database)).toEqual([]);

  // As after a crash in the middle: the row says running and the index is there, invalid.
  await expect(database.query(sql`create unique index concurrently a_n on a (n)`)).rejects.toThrow('could not create');
  await database.query(sql`
    insert into towpath_migrations (name, sha256, release, ms, state) values ('01.sql', ${files[0]?.sha256}, 1, 0, 'running')`);
  await database.query(sql`delete from a where ctid = (select min(ctid) from a)`);
  expect(await expandOn(database).apply(files, options)).toHaveLength(1);
  expect(await indexes()).toEqual([{ valid: true }]);
  expect(await history(database)).toEqual([{ name: '01.sql', state: 'done', release: 1 }]);
});

test('another interrupted file without a transaction is a named state with the two ways out', async ({
  expect,
  onTestFinished,
}) => {
  const database = await setup(onTestFinished);
  const files = await load(onTestFinished, { '01.sql': '-- towpath: no-transaction\nvacuum;' });
  await expandOn(database).apply([], options);
  await database.query(sql`
    insert into towpath_migrations (name, sha256, release, ms, state) values ('01.sql', ${files[0]?.sha256}, 1, 0, 'running')`);
  await expect(expandOn(database).apply(files, options)).rejects.toMatchObject({
    code: 'migration.interrupted',
    hint: expect.stringMatching(/set state = 'done'.*delete from towpath_migrations/),
  });
});

test('a file with its own transaction, and a missing folder, are refused before anything runs', async ({
  expect,
  onTestFinished,
}) => {
  const dir = await folder(onTestFinished, { '01.sql': "select 'begin;';\n/* commit; */ begin;\nselect 1; commit;" });
  await expect(readMigrations(dir)).rejects.toMatchObject({ code: 'migration.own_transaction' });
  const fine = await load(onTestFinished, {
    '01.sql': "do $$ begin perform 1; end $$; select '; commit'; savepoint s; rollback to s;",
  });
  expect(fine).toHaveLength(1);
  await expect(readMigrations(path.join(dir, 'none'))).rejects.toMatchObject({ code: 'migration.no_folder' });
});

async function currentUrl(database: Database): Promise<string> {
  const shared = process.env['TOWPATH_TEST_POSTGRES'];
  const [row] = await database.query(sql`select current_database() as name`);
  const url = new URL(shared ?? '');
  url.pathname = `/${String(row?.['name'])}`;
  return url.toString();
}
