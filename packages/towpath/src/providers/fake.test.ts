import { test } from 'vitest';
import { ensureInstance } from './ensure.ts';
import { createFakeProvider, providerContract, specOf, testScope, type FakeMood } from './testing.ts';

const runnable = { command: ['serve'], artifact: { digest: 'sha256:1', location: '/nowhere' } } as const;

const MOODS: Readonly<Record<string, FakeMood>> = {
  'a good day': {},
  'slow lists': { listLagMs: 20 },
  'busy now and then': { busyRate: 0.2 },
  'rate limited': { mutationsPerSecond: 8 },
  'lost answers': { loseAnswers: 0.4, listLagMs: 10 },
  'two for one': { duplicateRate: 1, listLagMs: 10 },
  'out of reach now and then': { unreachableRate: 0.2 },
  'stuck stops': { stuckStops: 2 },
  'all at once': {
    listLagMs: 15,
    busyRate: 0.1,
    loseAnswers: 0.3,
    duplicateRate: 0.3,
    unreachableRate: 0.1,
    stuckStops: 1,
  },
};

for (const [name, mood] of Object.entries(MOODS)) {
  providerContract(`fake on ${name}`, async () => {
    const provider = createFakeProvider({ ...mood, seed: 42 });
    return { provider, runnable, census: async (scope) => provider.world(scope) };
  });
}

test('whatever the day, one token ends as one instance', async ({ expect, signal }) => {
  const oneDay = async (seed: number): Promise<void> => {
    const provider = createFakeProvider({ seed, loseAnswers: 0.5, duplicateRate: 0.5, listLagMs: 3 });
    const made = await ensureInstance(provider, specOf(runnable), { epoch: 1 }, signal, { pauseMs: 2 });
    expect(
      provider.world(testScope).map(({ id }) => id),
      `seed ${seed}`,
    ).toEqual([made.id]);
  };
  await Promise.all(Array.from({ length: 100 }, (_, seed) => oneDay(seed)));
});

test('an instance made by a controller that died before its answer came is adopted, not made again', async ({
  expect,
  signal,
}) => {
  const provider = createFakeProvider({ listLagMs: 40 });
  const lost = await provider.create(specOf(runnable), { epoch: 1 }, signal);
  const made = await ensureInstance(provider, specOf(runnable), { epoch: 2 }, signal);
  expect(made.id).toBe(lost.id);
  expect(provider.world(testScope)).toHaveLength(1);
});

test('a provider that stays out of reach is given up with its own error', async ({ expect, signal }) => {
  const provider = createFakeProvider({ unreachableRate: 1 });
  const trying = ensureInstance(provider, specOf(runnable), { epoch: 1 }, signal, { withinMs: 100, pauseMs: 10 });
  await expect(trying).rejects.toMatchObject({ code: 'provider.unreachable', remedy: 'retry' });
});

test('an instance that came up failed is returned as such, not made again', async ({ expect, signal }) => {
  const provider = createFakeProvider({ failRate: 1 });
  const made = await ensureInstance(provider, specOf(runnable), { epoch: 1 }, signal);
  expect(made.state).toBe('failed');
  expect(provider.world(testScope)).toHaveLength(1);
});

test('a crash follows the restart policy', async ({ expect, signal }) => {
  const provider = createFakeProvider();
  const always = await ensureInstance(provider, specOf(runnable), { epoch: 1 }, signal);
  const once = await ensureInstance(
    provider,
    specOf(runnable, { token: 'r1.cron.1', kind: 'cron', restart: 'never' }),
    { epoch: 1 },
    signal,
  );
  provider.setReady(always.id, true);
  provider.crash(always.id, { reason: 'exited', code: 1 });
  provider.crash(once.id, { reason: 'exited', code: 0 });
  expect(provider.isReady(always.id)).toBe(false);
  expect(await provider.get(testScope, always.id, signal)).toMatchObject({ state: 'running', restarts: 1 });
  expect(await provider.get(testScope, once.id, signal)).toMatchObject({ state: 'stopped', lastExit: { code: 0 } });
});
