import { writeFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { test } from 'vitest';
import { until } from '../../system/index.ts';
import { testScope } from '../testing.ts';
import { createLocalProvider } from './local.ts';
import { nodeSpec, openLocal, shellSpec } from './testing.ts';

const fence = { epoch: 1 };

test('an instance that is killed comes back on its port, with its role, while the wall clock jumps back', async (context) => {
  const { expect, signal } = context;
  let wall = Date.now();
  const house = openLocal(context, { clock: { now: () => (wall -= 3_600_000), elapsed: () => performance.now() } });
  house.supervise();
  const serve = "require('net').createServer((s) => s.end('here')).listen(process.env.PORT, process.env.HOST)";
  const made = await house.provider.create(
    nodeSpec(serve, { kind: 'web', group: 'web', role: 'standby' }),
    fence,
    signal,
  );
  const port = made.address?.port ?? 0;
  await until('it answers', () => answers(port), { every: 20, within: 5000, signal });
  await house.provider.setRole(testScope, made.id, 'draining', fence, signal);
  process.kill(made.pid ?? 0, 'SIGKILL');
  const back = await house.becomes(made.id, 'is back', ({ restarts, state }) => restarts === 1 && state === 'running');
  await until('it answers again', () => answers(port), { every: 20, within: 5000, signal });
  expect(back).toMatchObject({ role: 'draining', lastExit: { reason: 'signalled', signal: 'SIGKILL' } });
  expect(back.address?.port).toBe(port);
  expect(back.pid).not.toBe(made.pid);
  expect(await house.happened(2)).toEqual(['exited', 'restarted']);
});

test('five ends in a row are a crash loop, with what it said in the logs', async (context) => {
  const { expect, signal } = context;
  // Twenty times faster than the real clock: the pauses stay in proportion, the test does not.
  const origin = performance.now();
  const fast = { now: () => Date.now(), elapsed: () => (performance.now() - origin) * 20 };
  const house = openLocal(context, { clock: fast });
  house.supervise();
  const { id } = await house.provider.create(shellSpec('echo no database >&2; exit 3'), fence, signal);
  const failed = await house.becomes(id, 'has failed', ({ state }) => state === 'failed');
  expect(failed).toMatchObject({ restarts: 4, lastExit: { code: 3, reason: 'exited' } });
  await house.happened(9);
  expect(house.events.filter(({ event }) => event === 'restarted')).toHaveLength(4);
  expect(house.events.at(-1)).toMatchObject({ event: 'crash-loop', because: expect.stringContaining('exit code 3') });
  expect((await house.lines(id)).filter(({ stream }) => stream === 'err').map(({ line }) => line)).toEqual(
    Array.from({ length: 5 }, () => 'no database'),
  );
});

test('an instance that crashes at once shows it to whoever waits for it, without supervision too', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const { id } = await house.provider.create(shellSpec('echo boom >&2; exit 9'), fence, signal);
  const seen = await house.becomes(id, 'has ended', ({ lastExit }) => lastExit !== undefined);
  expect(seen).toMatchObject({ state: 'starting', lastExit: { code: 9, reason: 'exited' } });
  expect(await house.lines(id)).toMatchObject([{ line: 'boom', stream: 'err', release: 1, group: 'worker' }]);
});

test('what runs once is not started again', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  const cron = { kind: 'cron', group: 'seo', restart: 'never' } as const;
  const good = await house.provider.create(shellSpec('exit 0', { ...cron, token: 'r1.seo.1' }), fence, signal);
  const bad = await house.provider.create(shellSpec('exit 4', { ...cron, token: 'r1.seo.2' }), fence, signal);
  const done = await house.provider.create(
    shellSpec('exit 0', { restart: 'on-failure', token: 'r1.worker.9' }),
    fence,
    signal,
  );
  await until('all have ended', () => house.events.filter(({ event }) => event === 'exited').length === 3, {
    every: 20,
    within: 5000,
    signal,
  });
  await until('the next look has passed', () => delayed(700), { every: 1, within: 2000, signal });
  expect(await house.get(good.id)).toMatchObject({ state: 'stopped', restarts: 0, lastExit: { code: 0 } });
  expect(await house.get(bad.id)).toMatchObject({ state: 'failed', restarts: 0, lastExit: { code: 4 } });
  expect(await house.get(done.id)).toMatchObject({ state: 'stopped', restarts: 0, lastExit: { code: 0 } });
});

test('the next controller does not tell again what the one before it told', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const { id } = await house.provider.create(shellSpec('exit 1', { restart: 'never' }), fence, signal);
  await house.becomes(id, 'has failed', ({ state }) => state === 'failed');
  const told: string[] = [];
  const next = createLocalProvider({ dir: house.dir, onEvent: ({ event }) => told.push(event) });
  await next.supervise(testScope, { epoch: 2 }, AbortSignal.timeout(200));
  expect(told).toEqual([]);
  expect(await house.get(id)).toMatchObject({ state: 'failed', lastExit: { code: 1 } });
});

test('an instance over its memory limit, counted with its children, is ended and started again', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  // Only the first run takes too much, in a child of the main process.
  const hungry = `
    const { existsSync, writeFileSync } = require('fs');
    if (!existsSync(process.env.MARK)) {
      writeFileSync(process.env.MARK, '');
      require('child_process').spawn(process.execPath, ['-e', 'globalThis.b = Buffer.alloc(150e6, 1); setInterval(() => {}, 1e3)']);
    }
    setInterval(() => {}, 1000);`;
  const mark = path.join(house.dir, 'mark');
  const { id } = await house.provider.create(nodeSpec(hungry, { memoryMb: 160, env: { MARK: mark } }), fence, signal);
  const back = await house.becomes(id, 'is back', ({ restarts, state }) => restarts === 1 && state === 'running');
  expect(back.lastExit?.reason).toBe('memory');
  expect(await house.happened(3)).toEqual(['memory', 'exited', 'restarted']);
});

test('children that outlive a crashed main process do not keep its port from the next', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  const serve = "require('net').createServer((s) => s.end(String(process.ppid))).listen(process.env.PORT)";
  const script = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(serve)}]);
    setInterval(() => {}, 1000);`;
  const made = await house.provider.create(nodeSpec(script, { kind: 'web', group: 'web' }), fence, signal);
  const port = made.address?.port ?? 0;
  await until('the child answers', () => answers(port), { every: 20, within: 5000, signal });
  process.kill(made.pid ?? 0, 'SIGKILL');
  const back = await house.becomes(made.id, 'is back', ({ restarts }) => restarts === 1);
  const parent = await until('the new child answers', () => answers(port), { every: 20, within: 5000, signal });
  expect(parent).toBe(String(back.pid));
});

test('an artifact that vanished makes restarts fail, and is said', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  const script = path.join(house.dir, 'app.sh');
  writeFileSync(script, '#!/bin/sh\nexec sleep 300\n', { mode: 0o755 });
  const made = await house.provider.create(nodeSpec('', { command: [script] }), fence, signal);
  rmSync(script);
  process.kill(made.pid ?? 0, 'SIGKILL');
  const trouble = await until('trouble is reported', () => house.events.find(({ event }) => event === 'trouble'), {
    every: 20,
    within: 5000,
    signal,
  });
  expect(trouble.because).toContain('ENOENT');
  expect(await house.get(made.id)).toMatchObject({ state: 'starting', lastExit: { code: 127 } });
});

/** What a server there says; undefined when nobody listens. */
async function answers(port: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    let said = '';
    socket.on('data', (chunk) => (said += chunk.toString()));
    socket.on('end', () => resolve(said));
    socket.on('error', () => resolve(undefined));
  });
}

async function delayed(ms: number): Promise<true> {
  return await new Promise((resolve) => setTimeout(() => resolve(true), ms));
}
