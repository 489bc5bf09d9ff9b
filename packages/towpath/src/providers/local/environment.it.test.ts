import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { Secret } from '../../kernel/index.ts';
import { run, until } from '../../system/index.ts';
import { specOf, testScope } from '../testing.ts';
import { nodeSpec, openLocal, shellSpec } from './testing.ts';

const fence = { epoch: 1 };
const door = fileURLToPath(new URL('./index.ts', import.meta.url));

function filesUnder(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

test('an instance gets its own environment and nothing of ours', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context, { home: '/home/app' });
  process.env['NOT_FOR_INSTANCES'] = 'ours';
  context.onTestFinished(() => {
    delete process.env['NOT_FOR_INSTANCES'];
  });
  const { id } = await house.provider.create(
    nodeSpec('console.log(JSON.stringify({ ...process.env, nice: require("os").getPriority() }))', {
      kind: 'web',
      group: 'web',
      release: 12,
      restart: 'never',
      env: { API_KEY: new Secret('API_KEY', 'sk-123'), TZ: 'Europe/Berlin', TOWPATH_INSTANCE: 'somebody else' },
    }),
    fence,
    signal,
  );
  const line = await until('it has spoken', async () => (await house.lines(id))[0], {
    every: 20,
    within: 5000,
    signal,
  });
  const env = JSON.parse(line.line) as Record<string, string>;
  const bin = path.dirname(process.execPath);
  expect(env).toMatchObject({
    API_KEY: 'sk-123',
    TZ: 'Europe/Berlin',
    HOST: '127.0.0.1',
    HOME: '/home/app',
    TOWPATH_INSTANCE: id,
    TOWPATH_APP: 'growth',
    TOWPATH_ENVIRONMENT: 'local',
    TOWPATH_RELEASE: '12',
    TOWPATH_GROUP: 'web',
    nice: 5,
  });
  expect(env['PATH']?.split(':').slice(0, 2)).toEqual([bin, '/tmp/node_modules/.bin']);
  expect(Number(env['PORT'])).toBe((await house.get(id))?.address?.port);
  expect(Object.keys(env).filter((name) => name.startsWith('NOT_') || name.startsWith('VITEST'))).toEqual([]);
});

test('a secret stands in one file, readable by the owner alone, until the instance is destroyed', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const spec = shellSpec('exec sleep 300', { env: { API_KEY: new Secret('API_KEY', 'sk-very-secret') } });
  const { id, pid } = await house.provider.create(spec, fence, signal);
  await house.provider.setRole(testScope, id, 'draining', fence, signal);
  const holding = filesUnder(house.dir).filter((file) => readFileSync(file, 'utf8').includes('sk-very-secret'));
  expect(holding.map((file) => path.basename(file))).toEqual(['env.json']);
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('sk-very-secret');
  for (const file of filesUnder(house.dir)) expect(statSync(file).mode & 0o777, file).toBe(0o600);
  for (const file of filesUnder(house.dir)) expect(statSync(path.dirname(file)).mode & 0o777, file).toBe(0o700);
  await house.provider.destroy(testScope, id, fence, signal);
  expect(filesUnder(house.dir).filter((file) => !file.endsWith('.log') && !file.includes('/fence/'))).toEqual([]);
});

test('the role goes out by the control file and the answer comes back', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const worker = `
    const { readFileSync, renameSync, writeFileSync } = require('fs');
    const { TOWPATH_CONTROL_FILE: control, TOWPATH_ACK_FILE: ack } = process.env;
    setInterval(() => {
      const { role } = JSON.parse(readFileSync(control, 'utf8'));
      writeFileSync(ack + '.tmp', JSON.stringify({ role, inFlight: 3, at: 7, ready: true }));
      renameSync(ack + '.tmp', ack);
    }, 10);`;
  const { id, acknowledged } = await house.provider.create(nodeSpec(worker, { role: 'standby' }), fence, signal);
  expect(acknowledged).toBeUndefined();
  await house.becomes(id, 'stands by', (instance) => instance.acknowledged?.role === 'standby');
  await house.provider.setRole(testScope, id, 'active', fence, signal);
  const active = await house.becomes(id, 'is active', (instance) => instance.acknowledged?.role === 'active');
  expect(active.acknowledged).toEqual({ role: 'active', inFlight: 3, at: 7, ready: true });
});

test('a fixed port that is taken is refused by name, and nothing is made', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const making = house.provider.create(shellSpec('exec sleep 300', { kind: 'web', group: 'web', port }), fence, signal);
  await expect(making).rejects.toMatchObject({
    code: 'provider.port_taken',
    remedy: 'fix-input',
    message: expect.stringContaining(`process ${process.pid} (`),
    hint: expect.stringContaining('drop the fixed port of'),
  });
  expect(await house.provider.list(testScope, signal)).toEqual([]);
});

test('a command that does not exist is refused by name, and nothing is made', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const making = house.provider.create(nodeSpec('', { command: ['no-such-command'] }), fence, signal);
  await expect(making).rejects.toMatchObject({ code: 'provider.cannot_start', remedy: 'undo' });
  expect(filesUnder(house.dir).filter((file) => !file.includes('/fence/'))).toEqual([]);
});

test('on a full disk a new instance is refused, and what runs is still restarted and stopped', async (context) => {
  const { expect, signal } = context;
  const { dir } = openLocal(context);
  const spec = specOf(
    { command: ['sleep', '300'], artifact: { digest: 'sha256:sleep', location: '/' } },
    { kind: 'worker', group: 'worker' },
  );
  const script = `
    import { readdirSync, writeFileSync, rmSync } from 'node:fs';
    import { createLocalProvider } from ${JSON.stringify(door)};
    const dir = ${JSON.stringify(dir)};
    const provider = createLocalProvider({ dir });
    const { signal } = new AbortController();
    const spec = ${JSON.stringify(spec)};
    const fence = { epoch: 1 };
    const one = await provider.create(spec, fence, signal);
    try { for (let n = 0; ; n++) writeFileSync(dir + '/fill' + n, 'x'.repeat(4096)); } catch {}
    const error = await provider.create({ ...spec, token: 'r1.worker.1' }, fence, signal).catch((e) => e);
    const during = (await provider.list(spec.scope, signal)).map(({ id, state }) => [id, state]);
    const told = new AbortController();
    const watching = provider.supervise(spec.scope, fence, told.signal);
    process.kill(one.pid, 'SIGKILL');
    let back = one;
    for (let n = 0; n < 100 && !(back.restarts === 1 && back.pid); n++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      back = await provider.get(spec.scope, one.id, signal);
    }
    await provider.stop(spec.scope, one.id, fence, signal);
    told.abort();
    await watching;
    const after = (await provider.get(spec.scope, one.id, signal)).state;
    const files = readdirSync(dir + '/growth/local/instances');
    await provider.destroy(spec.scope, one.id, fence, signal);
    console.log(JSON.stringify({ one: one.id, error: error.toJSON?.() ?? String(error), during, back: back.state, restarts: back.restarts, after, files }));`;
  const inside = 'mount -t tmpfs -o size=256k none "$1" && exec "$2" --input-type=module -e "$3"';
  const done = await run(
    {
      argv: ['unshare', '--map-root-user', '--mount', 'sh', '-c', inside, 'sh', dir, process.execPath, script],
      env: { PATH: process.env['PATH'] },
      timeoutMs: 20_000,
    },
    signal,
  );
  expect(done.code, done.stderr).toBe(0);
  const told = JSON.parse(done.stdout) as Record<string, unknown>;
  expect(told['error']).toMatchObject({ code: 'provider.disk_full', hint: expect.stringContaining('df -h') });
  expect(told).toMatchObject({ during: [[told['one'], 'running']], files: [told['one']] });
  // What crashes meanwhile comes back, and can be stopped.
  expect(told).toMatchObject({ back: 'running', restarts: 1, after: 'stopped' });
});
