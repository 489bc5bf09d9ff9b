import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { createReadiness } from './health.ts';
import { parseControl } from './protocol.ts';
import { readTick } from './tick.ts';
import { createTowpath } from './towpath.ts';

test('the package has no dependencies', ({ expect }) => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(Object.keys(manifest ?? {}).filter((key) => /dependencies/i.test(key))).toEqual([]);
});

describe('control file', () => {
  test.for([
    ['{"role":"active","epoch":3,"at":1}', { role: 'active', epoch: 3 }],
    ['{"role":"running","epoch":3}', undefined],
    ['{"role":"active"}', undefined],
    ['{"role":"act', undefined],
    ['null', undefined],
  ] as const)('%s', ([text, expected], { expect }) => {
    expect(parseControl(text)).toEqual(expected);
  });
});

describe('tick', () => {
  const env = { TOWPATH_TICK: '2026-01-02T03:04:00.000Z', TOWPATH_TICK_ID: 'seo-ctr/17', TOWPATH_TICK_ATTEMPT: '2' };
  test('is read from the environment', ({ expect }) => {
    expect(readTick(env, () => {})).toEqual({ id: 'seo-ctr/17', scheduledAt: new Date(env.TOWPATH_TICK), attempt: 2 });
  });
  test('is undefined by hand, and a wrong time is reported', ({ expect }) => {
    const said: string[] = [];
    expect(readTick({}, (line) => said.push(line))).toBeUndefined();
    expect(readTick({ ...env, TOWPATH_TICK: 'noon' }, (line) => said.push(line))).toBeUndefined();
    expect(said).toEqual(['TOWPATH_TICK is not a time: noon']);
  });
});

describe('readiness', () => {
  const never = new AbortController().signal;
  test('names each check and is 503 when one fails, returns false or is late', async ({ expect }) => {
    const answer = await createReadiness(
      {
        good: async () => 1,
        refused: async () => false,
        broken: async () => Promise.reject(new Error('password secret')),
        late: () => new Promise(() => {}),
      },
      never,
      30,
    )();
    expect(answer).toEqual({
      status: 503,
      body: {
        ready: false,
        checks: { good: 'ok', refused: 'failed', broken: 'failed', late: 'no answer within 30 ms' },
      },
    });
  });
  test('is 200 when all are fine and 503 while stopping', async ({ expect }) => {
    expect((await createReadiness({ good: async () => 1 }, never, 30)()).status).toBe(200);
    expect((await createReadiness({}, AbortSignal.abort(), 30)()).status).toBe(503);
  });
});

test('work loop keeps to its concurrency and survives errors of claim and work', async ({ expect }) => {
  const tow = createTowpath({ env: {}, say: () => {} });
  const errors: string[] = [];
  let claims = 0;
  let running = 0;
  let most = 0;
  const done = Promise.withResolvers<void>();
  void tow.workLoop({
    concurrency: 3,
    idleMs: 1,
    claim: async () => {
      claims++;
      if (claims === 2) throw new Error('database away');
      return claims > 12 ? undefined : claims;
    },
    work: async (job) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      if (job === 12) done.resolve();
      if (job === 3) throw new Error('bad job');
    },
    onError: (error, doing) => errors.push(`${doing}: ${error instanceof Error ? error.message : ''}`),
  });
  await done.promise;
  expect(most).toBe(3);
  expect(errors).toEqual(['claim: database away', 'work: bad job']);
});
