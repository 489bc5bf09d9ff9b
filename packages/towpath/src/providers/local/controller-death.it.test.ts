import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'vitest';
import { sleep, until } from '../../system/index.ts';
import { specOf, testScope } from '../testing.ts';
import { createLocalProvider } from './local.ts';
import { createPlaces } from './places.ts';
import { livingProcesses, processesOf } from './procfs.ts';
import { openLocal, shellSpec, type LocalHouse } from './testing.ts';

const fence = { epoch: 1 };
const door = fileURLToPath(new URL('./index.ts', import.meta.url));

/** A controller in a process of its own that makes instances one after the other until it is killed. */
function controller(context: TestContext, dir: string, count: number) {
  const spec = specOf(
    { command: ['sleep', '300'], artifact: { digest: 'sha256:sleep', location: dir } },
    { kind: 'worker', group: 'worker' },
  );
  const script = `
    import { createLocalProvider } from ${JSON.stringify(door)};
    const provider = createLocalProvider({ dir: ${JSON.stringify(dir)} });
    for (let n = 0; n < ${count}; n++) {
      const spec = { ...${JSON.stringify(spec)}, token: 'r1.worker.' + n, env: { SECRET: 'hush-' + n } };
      console.log((await provider.create(spec, { epoch: 1 }, new AbortController().signal)).id);
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  context.onTestFinished(kill);
  const made = async (n: number): Promise<readonly string[]> => {
    await until(`${n} instances are made`, () => output.split('\n').length > n, {
      every: 2,
      within: 10_000,
      signal: context.signal,
    });
    return output.trim().split('\n');
  };
  return { made, kill };
}

/** Every instance whose mark says that it was started out of this folder. */
function marksUnder(dir: string): readonly string[] {
  return livingProcesses().flatMap(({ pid }) => {
    try {
      const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (!env.some((entry) => entry.startsWith(`TOWPATH_CONTROL_FILE=${dir}`))) return [];
      return env.filter((entry) => entry.startsWith('TOWPATH_INSTANCE=')).map((entry) => entry.slice(17));
    } catch {
      return [];
    }
  });
}

test('what a killed controller started goes on, is adopted, and is looked after again', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const first = controller(context, house.dir, 1);
  const [id = ''] = await first.made(1);
  const before = await house.get(id);
  await first.kill();
  expect(await house.get(id)).toMatchObject({ state: 'running', pid: before?.pid, restarts: 0 });
  house.supervise(2);
  expect(await house.happened(1)).toEqual(['adopted']);
  process.kill(before?.pid ?? 0, 'SIGKILL');
  const back = await house.becomes(id, 'is back', ({ restarts, state }) => restarts === 1 && state === 'running');
  // Nobody was told how an adopted process ended.
  expect(back.lastExit).toMatchObject({ reason: 'unseen' });
  expect(await house.happened(3)).toEqual(['adopted', 'exited', 'restarted']);
  // It came back with the environment of its creation.
  expect(readFileSync(`/proc/${back.pid}/environ`, 'utf8').split('\0')).toContain('SECRET=hush-0');
  await house.provider.stop(testScope, id, { epoch: 2 }, signal);
  expect(processesOf(id)).toEqual([]);
});

test('an adopted process that is stopped says that it was asked to', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const first = controller(context, house.dir, 1);
  const [id = ''] = await first.made(1);
  await first.kill();
  await house.provider.stop(testScope, id, fence, signal);
  expect(await house.get(id)).toMatchObject({ state: 'stopped', lastExit: { reason: 'requested' } });
});

for (const [title, after, pauseMs] of [
  ['right after an instance was made', 2, 0],
  ['a little later', 3, 3],
  ['later still', 4, 7],
] as const) {
  test(`a controller killed in the middle of its work, ${title}, loses nothing and leaves no orphan`, async (context) => {
    const { expect, signal } = context;
    const house = openLocal(context);
    const first = controller(context, house.dir, 200);
    await first.made(after);
    await sleep(pauseMs, signal);
    await first.kill();
    house.supervise(2);
    const running = await until(
      'every record runs',
      async () => {
        const all = await house.provider.list(testScope, signal);
        return all.every(({ state }) => state === 'running') ? all : undefined;
      },
      { every: 20, within: 5000, signal },
    );
    expect(running.length).toBeGreaterThanOrEqual(after);
    expect(marksUnder(house.dir).toSorted()).toEqual(running.map(({ id }) => id).toSorted());
    expect(running.map(({ token }) => token)).toEqual([...new Set(running.map(({ token }) => token))]);
  });
}

/** Sets a record back to what is on disk between the decision to spawn and the record of the spawn. */
async function forgetProcess(house: LocalHouse, id: string): Promise<void> {
  const file = createPlaces(house.dir).instance(testScope, id).record;
  const { process: _gone, ...record } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...record, launching: true }));
}

test('a process whose start was never written down is found by its mark', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const first = controller(context, house.dir, 1);
  const [id = ''] = await first.made(1);
  await first.kill();
  const [before] = processesOf(id);
  await forgetProcess(house, id);
  expect(await house.get(id)).toMatchObject({ state: 'running', pid: before?.pid });
  house.supervise(2);
  expect(await house.happened(1)).toEqual(['adopted']);
  await forgetProcess(house, id);
  await createLocalProvider({ dir: house.dir }).destroy(testScope, id, { epoch: 3 }, signal);
  expect(processesOf(id)).toEqual([]);
});

test('a start that was written down and never happened, happens', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const first = controller(context, house.dir, 1);
  const [id = ''] = await first.made(1);
  await first.kill();
  await forgetProcess(house, id);
  for (const { pid } of processesOf(id)) process.kill(pid, 'SIGKILL');
  await until('it is dead', () => processesOf(id).length === 0, { every: 5, within: 2000, signal });
  house.supervise(2);
  const back = await house.becomes(id, 'runs', ({ state }) => state === 'running');
  expect(back).toMatchObject({ restarts: 0 });
  expect(await house.happened(1)).toEqual(['restarted']);
});

test('a stop that a dead controller had begun is finished by the next', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const deaf = shellSpec('trap "" TERM; echo up; while :; do sleep 0.1; done', { stopTimeoutMs: 300 });
  const { id } = await house.provider.create(deaf, fence, signal);
  await until('it is up', async () => (await house.lines(id)).length > 0, { every: 20, within: 5000, signal });
  await house.provider.stop(testScope, id, fence, AbortSignal.timeout(50)).catch(() => {});
  expect(await house.get(id)).toMatchObject({ state: 'stopping' });
  const next = createLocalProvider({ dir: house.dir });
  const told = new AbortController();
  const watching = next.supervise(testScope, { epoch: 2 }, told.signal);
  await house.becomes(
    id,
    'is stopped',
    ({ state, lastExit }) => state === 'stopped' && lastExit?.reason === 'requested',
  );
  told.abort();
  await watching;
  expect(processesOf(id)).toEqual([]);
});

test('of two controllers only the one with the higher epoch acts', async (context) => {
  const { expect, signal } = context;
  const house = openLocal(context);
  const told = new AbortController();
  context.onTestFinished(() => told.abort());
  const events: string[] = [];
  const old = createLocalProvider({ dir: house.dir, onEvent: ({ event }) => events.push(event) });
  const { id } = await old.create(shellSpec('exec sleep 300'), fence, signal);
  const watching = expect(old.supervise(testScope, fence, told.signal)).rejects.toMatchObject({ code: 'lease.fenced' });
  house.supervise(2);
  await house.happened(1);
  process.kill((await house.get(id))?.pid ?? 0, 'SIGKILL');
  await watching;
  const back = await house.becomes(id, 'is back', ({ restarts, state }) => restarts === 1 && state === 'running');
  expect(processesOf(id).map(({ pid }) => pid)).toEqual([back.pid]);
  expect(events).toEqual([]);
  expect(await house.happened(3)).toEqual(['adopted', 'exited', 'restarted']);
});
