import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'vitest';
import { identify, isAlive, until } from '../../system/index.ts';
import type { RouterTarget } from '../contract.ts';
import { routerContract } from '../testing.ts';
import { createEmbeddedRouter, ensureRouter, releaseOverride, stopRouter } from './index.ts';
import { readProcessState } from './place.ts';
import { call, portOf, startApp, tableOf, targetAt } from './testing.ts';

const NEVER = new AbortController().signal;
type Finish = (end: () => Promise<void>) => void;

async function folder(onTestFinished: Finish, name = 'router'): Promise<string> {
  const base = await mkdtemp(path.join(tmpdir(), 'towpath-router-'));
  const dir = path.join(base, name);
  onTestFinished(async () => {
    await stopRouter(dir).catch(() => {});
    await rm(base, { recursive: true, force: true });
  });
  return dir;
}

interface AppProcess {
  readonly target: RouterTarget;
  kill(): Promise<void>;
}

async function startAppProcess(release: number): Promise<AppProcess> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'testing-app.ts'), String(release)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const gone = once(child, 'exit');
  return {
    target: targetAt(Number(String(line)), release),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

const workerOf = async (dir: string): Promise<number> => (await createEmbeddedRouter({ dir }).observe(NEVER)).pid;

routerContract('embedded, in its own process', async () => {
  const ends: (() => Promise<void>)[] = [];
  const dir = await folder((end) => ends.unshift(end));
  const { port } = await ensureRouter({ dir, port: 0, signal: NEVER });
  const agent = new http.Agent({ keepAlive: true });
  const gates = new Map<number, () => void>();
  let slow = 0;
  const targets = new Map<number, RouterTarget>();
  const target = async (release: number): Promise<RouterTarget> => {
    const known = targets.get(release);
    if (known !== undefined) return known;
    const app = await startApp((request, response) => {
      const answer = (): void => void response.end(String(release));
      if (request.url?.startsWith('/slow') === true) gates.set(Number(request.url.slice(5)), answer);
      else answer();
    });
    ends.unshift(app.close);
    const made = targetAt(app.port, release);
    targets.set(release, made);
    return made;
  };
  return {
    router: createEmbeddedRouter({ dir }),
    target,
    async send(options = {}) {
      const headers = options.cookie === undefined ? {} : { cookie: options.cookie };
      const answer = await call(port, { agent, headers });
      const [set] = answer.headers['set-cookie'] ?? [];
      const cookie = set === undefined ? {} : { cookie: set.split(';')[0] ?? '' };
      return { release: answer.status === 200 ? Number(answer.text) : undefined, ...cookie };
    },
    async sendSlow() {
      const mine = ++slow;
      const answer = call(port, { path: `/slow${mine}` });
      const finish = await until('it has arrived', () => gates.get(mine), { every: 5, within: 5000 });
      return {
        async finish() {
          finish();
          await answer;
        },
      };
    },
    async kill() {
      process.kill(await workerOf(dir), 'SIGKILL');
      agent.destroy();
    },
    async dispose() {
      agent.destroy();
      for (const end of ends) await end();
    },
  };
});

test('a worker killed under load loses only what was in flight, and is back within 1 s with its weights', async ({
  expect,
  onTestFinished,
  signal,
}) => {
  const dir = await folder(onTestFinished);
  const apps = await Promise.all([startAppProcess(1), startAppProcess(2)]);
  onTestFinished(async () => void (await Promise.all(apps.map((app) => app.kill()))));
  const { port } = await ensureRouter({ dir, port: 0, signal });
  const router = createEmbeddedRouter({ dir });
  const targets = apps.map((app) => app.target);
  const before = await router.apply(tableOf(targets, { 1: 30, 2: 70 }), { epoch: 3 }, signal);

  // One of these at a time is on its way in every lane, so no more than that can be lost.
  const lanes = 20;
  let failed = 0;
  let refused = 0;
  let served = 0;
  let firstAfter: number | undefined;
  let killedAt: number | undefined;
  const over = new AbortController();
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        const answer = await call(port);
        if (answer.status !== 200) failed++;
        else served++;
        if (killedAt !== undefined) firstAfter ??= performance.now();
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') refused++;
        failed++;
      }
    }
  };
  const load = Promise.all(Array.from({ length: lanes }, lane));
  await delay(600);
  const servedBefore = served;
  process.kill(before.pid, 'SIGKILL');
  killedAt = performance.now();
  const after = await until(
    'another worker answers',
    async (inner) => {
      const state = await router.observe(inner).catch(() => undefined);
      return state !== undefined && state.boot !== before.boot ? state : undefined;
    },
    { every: 10, within: 5000, signal },
  );
  await delay(500);
  over.abort();
  await load;
  expect(servedBefore).toBeGreaterThan(50);
  expect(served).toBeGreaterThan(servedBefore);
  expect(refused).toBe(0);
  expect(failed).toBeLessThanOrEqual(lanes);
  expect(failed).toBeGreaterThan(0);
  expect(after.table).toEqual(before.table);
  expect(after.epoch).toBe(3);
  expect(after.lostAtRestart).toBeGreaterThan(0);
  expect(Math.abs(after.lostAtRestart - failed)).toBeLessThanOrEqual(lanes / 2);
  expect((firstAfter ?? Infinity) - killedAt).toBeLessThan(1000);
});

test('a killed guardian takes its worker along; ensureRouter brings both back on the same port', async ({
  expect,
  onTestFinished,
  signal,
}) => {
  const dir = await folder(onTestFinished);
  const app = await startApp((_request, response) => response.end('here'));
  onTestFinished(app.close);
  const first = await ensureRouter({ dir, port: 0, signal });
  const router = createEmbeddedRouter({ dir });
  const before = await router.apply(tableOf([targetAt(app.port)], { 1: 100 }), { epoch: 9 }, signal);
  const worker = identify(before.pid);
  process.kill(first.pid, 'SIGKILL');
  if (worker !== undefined)
    await until('the worker has ended', () => !isAlive(worker), { every: 10, within: 3000, signal });
  await expect(router.observe(signal)).rejects.toMatchObject({ code: 'router.unreachable' });
  const second = await ensureRouter({ dir, port: 0, signal });
  expect(second).toMatchObject({ port: first.port, alreadyRunning: false });
  expect(await router.observe(signal)).toMatchObject({ epoch: 9, table: before.table });
  expect((await call(second.port)).text).toBe('here');
  await expect(router.apply(before.table, { epoch: 8 }, signal)).rejects.toMatchObject({ code: 'lease.fenced' });
});

test('starting twice, even at once, runs one router; stopping ends it and keeps its table', async ({
  expect,
  onTestFinished,
  signal,
}) => {
  const dir = await folder(onTestFinished);
  const both = await Promise.all([ensureRouter({ dir, port: 0, signal }), ensureRouter({ dir, port: 0, signal })]);
  expect(new Set(both.map((started) => started.pid)).size).toBe(1);
  expect(both.filter((started) => started.alreadyRunning)).toHaveLength(1);
  await expect(ensureRouter({ dir, port: 1, signal })).rejects.toMatchObject({ code: 'router.other_port' });
  const state = await readProcessState(dir);
  const worker = await workerOf(dir);
  expect(await stopRouter(dir)).toBe(true);
  expect(await stopRouter(dir)).toBe(false);
  expect(identify(worker)).toBeUndefined();
  expect(state === undefined || isAlive(state.guardian)).toBe(false);
  expect((await stat(path.join(dir, 'snapshot.json'))).mode & 0o777).toBe(0o600);
  const again = await ensureRouter({ dir, port: 0, signal });
  expect(again.port).toBe(both[0].port);
});

test('a taken port is named, with what to do', async ({ expect, onTestFinished, signal }) => {
  const dir = await folder(onTestFinished);
  const squatter = net.createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  onTestFinished(async () => void squatter.close());
  const port = portOf(squatter);
  await expect(ensureRouter({ dir, port, signal })).rejects.toMatchObject({
    code: 'router.port_taken',
    remedy: 'fix-input',
    message: expect.stringContaining(`port ${port} on 127.0.0.1 is taken by process ${process.pid}`),
    hint: expect.stringContaining('towpath.config.ts'),
  });
});

test('a folder too deep for a Unix socket still works', async ({ expect, onTestFinished, signal }) => {
  const dir = await folder(onTestFinished, 'deep/'.repeat(30));
  await ensureRouter({ dir, port: 0, signal });
  expect((await createEmbeddedRouter({ dir }).observe(signal)).totals).toEqual([]);
  expect((await readProcessState(dir))?.socket.startsWith(tmpdir())).toBe(true);
});

test('a broken snapshot is reported, never served', async ({ expect, onTestFinished, signal }) => {
  const dir = await folder(onTestFinished);
  await ensureRouter({ dir, port: 0, signal });
  await stopRouter(dir);
  const file = path.join(dir, 'snapshot.json');
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, -20));
  await expect(ensureRouter({ dir, port: 0, signal })).rejects.toMatchObject({ code: 'router.bad_snapshot' });
});

test('a tester reaches an unpromoted release by a header that only the owner can make', async ({
  expect,
  onTestFinished,
  signal,
}) => {
  const dir = await folder(onTestFinished);
  const apps = [await startApp((_, response) => response.end('1')), await startApp((_, response) => response.end('2'))];
  onTestFinished(async () => void (await Promise.all(apps.map((app) => app.close()))));
  const { port } = await ensureRouter({ dir, port: 0, signal });
  const targets = apps.map((app, i) => targetAt(app.port, i + 1));
  await createEmbeddedRouter({ dir }).apply(tableOf(targets, { 1: 100, 2: 0 }), { epoch: 1 }, signal);
  expect((await call(port, { headers: await releaseOverride(dir, 2) })).text).toBe('2');
  expect((await call(port)).text).toBe('1');
});

test('20 switches at 300 requests/s, the old instance killed each time: no request fails', async ({
  expect,
  onTestFinished,
  signal,
}) => {
  const dir = await folder(onTestFinished);
  const { port } = await ensureRouter({ dir, port: 0, signal });
  const router = createEmbeddedRouter({ dir });
  let current = await startAppProcess(1);
  onTestFinished(() => current.kill());
  await router.apply(tableOf([current.target], { 1: 100 }), { epoch: 1 }, signal);

  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  onTestFinished(async () => agent.destroy());
  const problems: string[] = [];
  let sent = 0;
  const under: Promise<void>[] = [];
  const send = async (n: number): Promise<void> => {
    const posts = n % 5 === 0;
    const options = { ...(n % 2 === 0 ? { agent } : {}), ...(posts ? { method: 'POST' } : {}) };
    const answer = await call(port, options, posts ? Buffer.alloc(1024, 97) : undefined);
    if (answer.status !== 200) problems.push(`${answer.status} ${answer.text}`);
  };
  const started = performance.now();
  const ticker = setInterval(() => {
    const due = ((performance.now() - started) * 300) / 1000;
    while (sent < due) under.push(send(sent++).catch((error: unknown) => void problems.push(String(error))));
  }, 3);
  onTestFinished(async () => clearInterval(ticker));
  for (let release = 2; release <= 21; release++) {
    const next = await startAppProcess(release);
    const old = current;
    const targets = [old.target, next.target];
    await router.apply(tableOf(targets, { [release - 1]: 50, [release]: 50 }), { epoch: 1 }, signal);
    await delay(50);
    await router.apply(tableOf(targets, { [release - 1]: 0, [release]: 100 }), { epoch: 1 }, signal);
    current = next;
    await until(
      'the old release is drained',
      async (inner) =>
        (await router.observe(inner)).inFlight.find((lane) => lane.release === release - 1)?.requests === 0,
      { every: 10, within: 5000, signal },
    );
    await old.kill();
    await router.apply(tableOf([next.target], { [release]: 100 }), { epoch: 1 }, signal);
  }
  clearInterval(ticker);
  await Promise.all(under);
  expect(problems).toEqual([]);
  expect(sent).toBeGreaterThan(1000);
  const { totals } = await router.observe(signal);
  expect(totals.reduce((sum, lane) => sum + lane.requests, 0)).toBe(sent);
  expect(totals.reduce((sum, lane) => sum + lane.failures, 0)).toBe(0);
});
