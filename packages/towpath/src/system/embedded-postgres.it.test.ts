import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import {
  ensureDatabase,
  ensureEmbeddedPostgres,
  freePort,
  openDatabase,
  removeEmbeddedPostgres,
  sql,
  stopEmbeddedPostgres,
} from './index.ts';

type Finish = (work: () => Promise<void>) => void;

async function scratch(onTestFinished: Finish, mode = 0o711): Promise<string> {
  const parent = await mkdtemp(path.join(tmpdir(), 'towpath-pg-it-'));
  await chmod(parent, mode);
  const dir = path.join(parent, 'postgres');
  onTestFinished(async () => {
    await removeEmbeddedPostgres(dir);
    await rm(parent, { recursive: true, force: true });
  });
  return dir;
}

test('callers at the same time get one server, and its data and port survive a stop', async ({
  expect,
  onTestFinished,
}) => {
  const dir = await scratch(onTestFinished);
  const [a, b] = await Promise.all([
    ensureEmbeddedPostgres({ dir, major: 15 }),
    ensureEmbeddedPostgres({ dir, major: 15 }),
  ]);
  expect(a.pid).toBe(b.pid);
  expect(a.alreadyRunning).not.toBe(b.alreadyRunning);
  expect((await stat(path.join(dir, 'password'))).mode & 0o777).toBe(0o600);

  const [url, same] = await Promise.all([ensureDatabase(a.adminUrl, 'app'), ensureDatabase(a.adminUrl, 'app')]);
  expect(same).toBe(url);
  const before = openDatabase(url, { max: 1 });
  await before.query(sql`create table kept as select 42 as answer`);
  const [row] = await before.query(sql`
    select current_setting('server_version_num')::int / 10000 as major, current_setting('fsync') as fsync,
      current_setting('data_checksums') as checksums, current_setting('listen_addresses') as listens,
      current_setting('server_encoding') as encoding, current_setting('is_superuser') as superuser`);
  expect(row).toEqual({
    major: 15,
    fsync: 'on',
    checksums: 'on',
    listens: '127.0.0.1',
    encoding: 'UTF8',
    superuser: 'on',
  });
  await before.close();

  expect(await stopEmbeddedPostgres(dir)).toBe(true);
  expect(await stopEmbeddedPostgres(dir)).toBe(false);
  const again = await ensureEmbeddedPostgres({ dir, major: 15 });
  expect(again.port).toBe(a.port);
  const after = openDatabase(url, { max: 1 });
  onTestFinished(() => after.close());
  expect(await after.query(sql`select answer from kept`)).toEqual([{ answer: 42 }]);

  await expect(ensureEmbeddedPostgres({ dir, major: 16 })).rejects.toMatchObject({ code: 'postgres.wrong_major' });
});

test('a killed server starts again by itself on its data, though its pid file names a living stranger', async ({
  expect,
  onTestFinished,
}) => {
  const dir = await scratch(onTestFinished);
  const first = await ensureEmbeddedPostgres({ dir, major: 15, durable: false });
  process.kill(first.pid, 'SIGKILL');
  const home = (await readFile(path.join(dir, 'place'), 'utf8')).trim();
  // As after a reboot: the recorded process is gone and its pid belongs to someone else (here: us).
  const pidFile = path.join(home, 'data', 'postmaster.pid');
  const lines = (await readFile(pidFile, 'utf8')).split('\n');
  await writeFile(pidFile, [String(process.pid), ...lines.slice(1)].join('\n'));
  const record = path.join(dir, 'server.json');
  await writeFile(record, JSON.stringify({ port: first.port, pid: process.pid, started: '1' }));
  const second = await ensureEmbeddedPostgres({ dir, major: 15, durable: false });
  expect(second).toMatchObject({ port: first.port, alreadyRunning: false });
});

test.runIf(process.getuid?.() === 0)(
  'as root with a folder closed to others, the server lives under /var/lib/towpath',
  async ({ expect, onTestFinished }) => {
    const dir = await scratch(onTestFinished, 0o700);
    const server = await ensureEmbeddedPostgres({ dir, major: 15, durable: false });
    const home = (await readFile(path.join(dir, 'place'), 'utf8')).trim();
    expect(home).toMatch(/^\/var\/lib\/towpath\/[0-9a-f]{16}$/);
    const found = await stat(home);
    expect(found.mode & 0o777).toBe(0o700);
    expect(found.uid).not.toBe(0);
    await removeEmbeddedPostgres(dir);
    await expect(stat(home)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(() => process.kill(server.pid, 0)).toThrow();
  },
);

test('a port that another program took is named, with what to do', async ({ expect, onTestFinished }) => {
  const dir = await scratch(onTestFinished);
  const first = await ensureEmbeddedPostgres({ dir, major: 15, durable: false });
  await stopEmbeddedPostgres(dir);
  const thief = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    thief.listen(first.port, '127.0.0.1', () => resolve());
  });
  onTestFinished(() => new Promise((resolve) => thief.close(() => resolve())));
  await expect(ensureEmbeddedPostgres({ dir, major: 15, durable: false })).rejects.toMatchObject({
    code: 'postgres.port_taken',
    message: expect.stringContaining(String(first.port)),
    hint: expect.stringContaining('server.json'),
  });
  expect(await freePort()).not.toBe(first.port);
});
