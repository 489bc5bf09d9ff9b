import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { migrateOwnSchema, openDatabase, ownSqlDir, sql, type Database } from './index.ts';
import { createTestDatabase } from './testing.ts';

type Finish = (work: () => Promise<void>) => void;

async function emptyDatabase(onTestFinished: Finish): Promise<Database> {
  const made = await createTestDatabase({ empty: true });
  const database = openDatabase(made.url, { max: 5 });
  onTestFinished(async () => {
    await database.close();
    await made.dispose();
  });
  return database;
}

async function folder(onTestFinished: Finish, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-sql-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text);
  return dir;
}

const header = '-- phase: expand\n-- breaking: no\n';

test('twenty at once apply each file once', async ({ expect, onTestFinished }) => {
  const database = await emptyDatabase(onTestFinished);
  const dir = await folder(onTestFinished, {
    '0001_a.sql': `${header}create table towpath.a (n int); insert into towpath.a values (1);`,
    '0002_b.sql': `${header}insert into towpath.a values (2);`,
  });
  const answers = await Promise.all(Array.from({ length: 20 }, () => migrateOwnSchema(database, dir)));
  expect(answers.filter((names) => names.length > 0)).toEqual([['0001_a.sql', '0002_b.sql']]);
  expect(await database.query(sql`select n from towpath.a order by n`)).toEqual([{ n: 1 }, { n: 2 }]);
});

test('a failing file is rolled back whole, and the ones before it stay', async ({ expect, onTestFinished }) => {
  const database = await emptyDatabase(onTestFinished);
  const dir = await folder(onTestFinished, {
    '0001_a.sql': `${header}create table towpath.a (n int);`,
    '0002_b.sql': `${header}create table towpath.b (n int); select 1/0;`,
  });
  await expect(migrateOwnSchema(database, dir)).rejects.toMatchObject({ code: 'schema.failed' });
  const [row] = await database.query(
    sql`select to_regclass('towpath.a')::text as a, to_regclass('towpath.b')::text as b`,
  );
  expect(row).toEqual({ a: 'towpath.a', b: null });
  await writeFile(path.join(dir, '0002_b.sql'), `${header}create table towpath.b (n int);`);
  expect(await migrateOwnSchema(database, dir)).toEqual(['0002_b.sql']);
});

test('a changed file, and a newer breaking one, are refused; a newer harmless one is not', async ({
  expect,
  onTestFinished,
}) => {
  const database = await emptyDatabase(onTestFinished);
  const newer = {
    '0001_a.sql': `${header}select 1;`,
    '0002_b.sql': `${header}select 2;`,
    '0003_c.sql': '-- phase: contract\n-- breaking: yes\nselect 3;',
  };
  await migrateOwnSchema(database, await folder(onTestFinished, newer));
  const { '0003_c.sql': _, ...older } = newer;
  await expect(migrateOwnSchema(database, await folder(onTestFinished, older))).rejects.toMatchObject({
    code: 'database.newer_schema',
  });
  const { '0002_b.sql': __, ...harmless } = newer;
  expect(await migrateOwnSchema(database, await folder(onTestFinished, harmless))).toEqual([]);
  const changed = { ...newer, '0002_b.sql': `${header}select 22;` };
  await expect(migrateOwnSchema(database, await folder(onTestFinished, changed))).rejects.toMatchObject({
    code: 'schema.changed',
  });
});

test('a database made from the template has our whole schema already', async ({ expect, onTestFinished }) => {
  const made = await createTestDatabase();
  const database = openDatabase(made.url, { max: 1 });
  onTestFinished(async () => {
    await database.close();
    await made.dispose();
  });
  expect(await migrateOwnSchema(database, ownSqlDir())).toEqual([]);
});
