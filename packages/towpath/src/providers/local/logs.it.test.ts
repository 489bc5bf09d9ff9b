import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'vitest';
import { until } from '../../system/index.ts';
import type { LogLine } from '../contract.ts';
import { testScope } from '../testing.ts';
import { pruneLogs, rotate } from './rotate.ts';
import { nodeSpec, openLocal, shellSpec, type LocalHouse } from './testing.ts';

const fence = { epoch: 1 };

function folder(context: TestContext): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'towpath-logs-'));
  context.onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Follows from now on; ends with the test. */
function follow(context: TestContext, house: LocalHouse, query: { readonly group?: string; readonly tail?: number }) {
  const told = new AbortController();
  const lines: LogLine[] = [];
  const reading = (async () => {
    for await (const line of house.provider.logs(testScope, { tail: 0, follow: true, ...query }, told.signal)) {
      lines.push(line);
    }
  })();
  const stop = async (): Promise<void> => {
    told.abort();
    await reading;
  };
  context.onTestFinished(stop);
  const seen = (count: number): Promise<true | undefined> =>
    until(`${count} lines`, () => lines.length >= count || undefined, {
      every: 20,
      within: 8000,
      signal: context.signal,
    });
  return { lines, seen, stop };
}

test('the tail of each stream, with its instance, release and group', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const line = 'for i in 1 2 3 4; do echo out $i; echo err $i >&2; done; printf begun';
  const { id } = await house.provider.create(shellSpec(line, { restart: 'never', release: 3 }), fence, signal);
  await house.becomes(id, 'has ended', ({ state }) => state === 'stopped');
  const seen: LogLine[] = [];
  for await (const each of house.provider.logs(testScope, { tail: 2, follow: false }, signal)) seen.push(each);
  expect(seen.filter(({ stream }) => stream === 'err').map((each) => each.line)).toEqual(['err 3', 'err 4']);
  expect(seen.filter(({ stream }) => stream === 'out').map((each) => each.line)).toEqual(['out 3', 'out 4', 'begun']);
  for (const each of seen) {
    expect(each).toMatchObject({ instance: id, release: 3, group: 'worker' });
    expect(Math.abs(each.at - Date.now())).toBeLessThan(10_000);
  }
  const others = { tail: 5, follow: false, release: 4 };
  for await (const each of house.provider.logs(testScope, others, signal)) expect.fail(each.line);
});

test('following shows whole lines as they come, of later instances too, of the wanted group only', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const { lines, seen } = follow(context, house, { group: 'web' });
  const slowly = 'printf "hel"; sleep 0.3; echo lo; sleep 300';
  await house.provider.create(shellSpec(slowly, { group: 'web', token: 'a' }), fence, signal);
  await house.provider.create(shellSpec('echo not me; sleep 300', { token: 'b' }), fence, signal);
  await seen(1);
  await house.provider.create(shellSpec('echo second; sleep 300', { group: 'web', token: 'c' }), fence, signal);
  await seen(2);
  expect(lines.map(({ line, group }) => [line, group])).toEqual([
    ['hello', 'web'],
    ['second', 'web'],
  ]);
});

test('no line is lost to a follower while logs are rotated under a chatty instance', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context, { maxLogBytes: 40_000 });
  const { lines, seen } = follow(context, house, {});
  house.supervise();
  // 3000 lines of 30 bytes in 3 s: a rotation at each look of supervision, all 2 s.
  const chatty = `let n = 0; const timer = setInterval(() => {
    for (let i = 0; i < 10; i++) console.log('line ' + String(n++).padStart(24, '0'));
    if (n >= 3000) clearInterval(timer), setInterval(() => {}, 1000);
  }, 10);`;
  const { id } = await house.provider.create(nodeSpec(chatty), fence, signal);
  await seen(3000);
  const numbers = lines.map(({ line }) => Number(line.slice(5)));
  expect(numbers).toEqual(Array.from({ length: 3000 }, (_, n) => n));
  const log = path.join(house.dir, 'growth/local/logs/worker', `1.${id}.out.log`);
  await until('it was rotated', () => existsSync(`${log}.1`), { every: 50, within: 4000, signal });
});

test('three old parts are kept, by mode 0600, and an emptied file goes on growing from its start', async (context) => {
  const { expect } = context;
  const log = path.join(folder(context), '1.web-1-a.out.log');
  for (const part of ['first', 'second', 'third', 'fourth', 'fifth']) {
    appendFileSync(log, `${part}\n`, { mode: 0o600 });
    expect(await rotate(log, 3)).toBe(true);
    expect(statSync(log).size).toBe(0);
  }
  expect(await rotate(log, 3)).toBe(false);
  expect(existsSync(`${log}.4`)).toBe(false);
  expect(statSync(`${log}.3`).size).toBe('third\n'.length);
  expect(statSync(`${log}.1`).mode & 0o777).toBe(0o600);
});

test('logs of the last twenty destroyed instances stay; those of living ones always do', async (context) => {
  const { expect } = context;
  const dir = path.join(folder(context), 'web');
  mkdirSync(dir);
  const names = Array.from({ length: 25 }, (_, n) => `1.web-1-${String(n).padStart(2, '0')}`);
  const { utimesSync } = await import('node:fs');
  names.forEach((name, n) => {
    for (const suffix of ['out.log', 'out.log.1', 'err.log']) {
      const file = path.join(dir, `${name}.${suffix}`);
      writeFileSync(file, 'x');
      utimesSync(file, 1000 + n, 1000 + n);
    }
  });
  await pruneLogs(dir, new Set(['web-1-00']));
  const left = names.filter((name) => existsSync(path.join(dir, `${name}.err.log`)));
  expect(left).toEqual([names[0], ...names.slice(5)]);
  expect(existsSync(path.join(dir, `${names[1]}.out.log.1`))).toBe(false);
});
