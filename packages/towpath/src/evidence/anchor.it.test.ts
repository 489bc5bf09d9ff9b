import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { fileAnchor } from './index.ts';

const never = (error: unknown): never => {
  throw error;
};
const hash = 'a'.repeat(64);

test('the anchor keeps the newest head, across processes', async ({ expect, onTestFinished }) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-anchor-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'head.json');
  const anchor = fileAnchor(file, { everyMs: 60_000, onError: never });
  expect(await anchor.read()).toBeUndefined();
  for (const seq of [2, 5, 4]) anchor.write({ seq, hash });
  await anchor.flush();
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ seq: 5, hash });
  expect(await fileAnchor(file, { everyMs: 60_000, onError: never }).read()).toEqual({ seq: 5, hash });
});

test('it writes by itself after a while', async ({ expect, onTestFinished }) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-anchor-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'head.json');
  fileAnchor(file, { everyMs: 5, onError: never }).write({ seq: 1, hash });
  await expect.poll(() => readFile(file, 'utf8').catch(() => ''), { timeout: 5000 }).toContain('"seq":1');
});

test('a file that cannot be read as a head is a finding', async ({ expect, onTestFinished }) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-anchor-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'head.json');
  await writeFile(file, '{"seq":');
  expect(await fileAnchor(file, { everyMs: 5, onError: never }).read()).toEqual({ seq: 1, hash: 'unreadable' });
});

test('a file that cannot be written is told, and nothing fails', async ({ expect }) => {
  const errors: unknown[] = [];
  const anchor = fileAnchor('/proc/no-such-folder/head.json', { everyMs: 5, onError: (error) => errors.push(error) });
  anchor.write({ seq: 1, hash });
  await anchor.flush();
  expect(errors).toHaveLength(1);
});
