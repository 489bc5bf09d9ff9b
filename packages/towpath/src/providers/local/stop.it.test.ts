import { test } from 'vitest';
import { until } from '../../system/index.ts';
import { testScope } from '../testing.ts';
import { processesOf } from './procfs.ts';
import { nodeSpec, openLocal, shellSpec, type LocalHouse } from './testing.ts';

const fence = { epoch: 1 };

async function said(house: LocalHouse, id: string, line: string, signal: AbortSignal): Promise<void> {
  await until(`${id} says ${line}`, async () => (await house.lines(id)).some((each) => each.line === line), {
    every: 20,
    within: 5000,
    signal,
  });
}

test('a stop lets it finish, and is not taken for a crash', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  const polite = `process.on('SIGTERM', () => setTimeout(() => { console.log('bye'); process.exit(0); }, 200));
    setInterval(() => {}, 1000); console.log('up');`;
  const { id } = await house.provider.create(nodeSpec(polite), fence, signal);
  await said(house, id, 'up', signal);
  const stopping = house.provider.stop(testScope, id, fence, signal);
  await house.becomes(id, 'is stopping', ({ state }) => state === 'stopping');
  await stopping;
  expect(await house.get(id)).toMatchObject({ state: 'stopped', lastExit: { reason: 'requested', code: 0 } });
  expect((await house.lines(id)).map(({ line }) => line)).toEqual(['up', 'bye']);
  expect(house.events).toEqual([]);
});

test('who does not listen is killed after the timeout, and no sooner', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const deaf = "process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up');";
  const { id } = await house.provider.create(nodeSpec(deaf, { stopTimeoutMs: 600 }), fence, signal);
  await said(house, id, 'up', signal);
  const from = performance.now();
  await house.provider.stop(testScope, id, fence, signal);
  const took = performance.now() - from;
  expect(took).toBeGreaterThan(590);
  expect(took).toBeLessThan(3000);
  expect((await house.lines(id)).at(-1)?.line).toBe('no');
  expect(await house.get(id)).toMatchObject({ state: 'stopped', lastExit: { reason: 'requested', signal: 'SIGKILL' } });
});

test('a shell that ends at once does not cut its server short, and nothing is left behind', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const server = `process.on('SIGTERM', () => setTimeout(() => { console.log('drained'); process.exit(0); }, 300));
    setInterval(() => {}, 1000); console.log('up');`;
  // The shell's children: one drains, one is deaf, one has left the process group.
  const line = `node -e "${server}" & sh -c 'trap "" TERM; sleep 300' & setsid sleep 300 & wait`;
  const { id } = await house.provider.create(shellSpec(line, { stopTimeoutMs: 1000 }), fence, signal);
  await said(house, id, 'up', signal);
  expect(processesOf(id).length).toBeGreaterThanOrEqual(4);
  await house.provider.stop(testScope, id, fence, signal);
  expect(processesOf(id)).toEqual([]);
  expect((await house.lines(id)).map((each) => each.line)).toContain('drained');
});

test('a process stopped by a signal ends too', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const { id, pid } = await house.provider.create(shellSpec('exec sleep 300', { stopTimeoutMs: 5000 }), fence, signal);
  process.kill(pid ?? 0, 'SIGSTOP');
  const from = performance.now();
  await house.provider.destroy(testScope, id, fence, signal);
  expect(performance.now() - from).toBeLessThan(3000);
  expect(processesOf(id)).toEqual([]);
  expect(await house.get(id)).toBeUndefined();
});

test('an aborted stop leaves an instance that is stopping, and a second one ends it', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  house.supervise();
  const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');";
  const { id } = await house.provider.create(nodeSpec(deaf, { stopTimeoutMs: 400 }), fence, signal);
  await said(house, id, 'up', signal);
  const stopping = house.provider.stop(testScope, id, fence, AbortSignal.timeout(100));
  await expect(stopping).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(await house.get(id)).toMatchObject({ state: 'stopping' });
  await Promise.all([1, 2].map(() => house.provider.stop(testScope, id, fence, signal)));
  expect(await house.get(id)).toMatchObject({ state: 'stopped', restarts: 0 });
});

test('a controller that loses its lease while it stops something does not kill it', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');";
  const { id, pid } = await house.provider.create(nodeSpec(deaf, { stopTimeoutMs: 400 }), fence, signal);
  await said(house, id, 'up', signal);
  const stopping = house.provider.stop(testScope, id, fence, signal);
  await house.becomes(id, 'is stopping', ({ state }) => state === 'stopping');
  await house.provider.setRole(testScope, id, 'draining', { epoch: 2 }, signal);
  await expect(stopping).rejects.toMatchObject({ code: 'lease.fenced' });
  expect(await house.get(id)).toMatchObject({ state: 'stopping', pid });
});
