import { test } from 'vitest';
import { createCore, type Claim, type Core } from './core.ts';
import { parseTable } from './table.ts';
import { tableOf, targetAt, TEST_KEY } from './testing.ts';
import { BUCKET_COOKIE, createTokens, signRelease } from './tokens.ts';

const tokens = createTokens(TEST_KEY);
const closed: string[] = [];

function open(random: () => number = Math.random): Core<string> {
  closed.length = 0;
  return createCore<string>({
    tokens,
    openLink: (target) => target.id,
    closeLink: (link) => closed.push(link),
    elapsed: () => performance.now(),
    random,
    hold: { count: 2, ms: 30 },
  });
}

function claimed(core: Core<string>, cookie?: string, override?: string): Claim<string> {
  const claim = core.claim(cookie, override);
  if (typeof claim === 'string') throw new Error(`refused: ${claim}`);
  return claim;
}

const both = [targetAt(1, 1, 'a'), targetAt(2, 2, 'b')];

test('the share is the weight, and a weight of 0 is never picked', ({ expect }) => {
  // The last point below 1 is where a sum of floats could fall through to a release with weight 0.
  for (const point of [0, 0.5, 0.999_999_999_999]) {
    const core = open(() => point);
    core.apply(tableOf(both, { 1: 100, 2: 0 }));
    expect(claimed(core).lane.release).toBe(1);
    core.apply(tableOf(both, { 1: 0, 2: 100 }));
    expect(claimed(core).lane.release).toBe(2);
  }
  const core = open(() => 0.31);
  core.apply(tableOf(both, { 1: 30, 2: 70 }));
  expect(claimed(core).lane.release).toBe(2);
});

test('a request is in flight from the pick on, so a drained release cannot get one later', ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 100, 2: 0 }));
  const claim = claimed(core);
  core.apply(tableOf(both, { 1: 0, 2: 100 }));
  const flying = (): number | undefined => core.read().inFlight.find((lane) => lane.release === 1)?.requests;
  expect(flying()).toBe(1);
  core.settle(claim, 200, false);
  core.settle(claim, 200, false);
  expect(flying()).toBe(0);
  expect(core.read().totals.find((lane) => lane.release === 1)?.requests).toBe(1);
});

test("a target's connections are closed once it has left and nothing is in flight on it", ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 100, 2: 0 }));
  const claim = claimed(core);
  core.apply(tableOf([targetAt(2, 2, 'b')], { 2: 100 }));
  expect(closed).toEqual([]);
  core.settle(claim, 200, false);
  expect(closed).toEqual(['a']);
  core.apply(tableOf([targetAt(3, 2, 'b')], { 2: 100 }));
  expect(closed).toEqual(['a', 'b']);
});

test('a cookie decides while two share; a forged one is replaced; nobody flips back', ({ expect }) => {
  const core = open();
  const at = (weight: number): void =>
    core.apply(tableOf(both, { 1: 100 - weight, 2: weight }, { sticky: true, candidate: 2 }));
  const cookie = (bucket: number): string => `x=1; ${BUCKET_COOKIE}=${tokens.bucketValue(bucket)}; y=2`;
  at(10);
  expect(claimed(core, cookie(999)).lane.release).toBe(2);
  expect(claimed(core, cookie(1000)).lane.release).toBe(1);
  expect(claimed(core, cookie(999)).newBucket).toBeUndefined();
  expect(claimed(core, `${BUCKET_COOKIE}=5.forged`).newBucket).toBeTypeOf('number');
  expect(claimed(core, `not_${cookie(5).slice(5)}`).newBucket).toBeTypeOf('number');
  expect(claimed(core).newBucket).toBeTypeOf('number');
  at(50);
  expect(claimed(core, cookie(999)).lane.release).toBe(2);
  at(0);
  expect(claimed(core, cookie(0)).lane.release).toBe(1);
  expect(claimed(core).newBucket).toBeUndefined();
});

test('a signed override reaches a release without weight; a stranger does not', ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 100, 2: 0 }));
  expect(claimed(core, undefined, signRelease(TEST_KEY, 2)).lane.release).toBe(2);
  expect(claimed(core, undefined, signRelease('another key', 2)).lane.release).toBe(1);
  expect(claimed(core, undefined, '2').lane.release).toBe(1);
  expect(core.claim(undefined, signRelease(TEST_KEY, 9))).toBe('release-absent');
});

test('requests go to the target with the least in flight, in turn when equal', ({ expect }) => {
  const core = open();
  core.apply(tableOf([targetAt(1, 1, 'a'), targetAt(2, 1, 'b'), targetAt(3, 1, 'c')], { 1: 100 }));
  const first = [claimed(core), claimed(core), claimed(core)];
  expect(new Set(first.map((claim) => claim.target.id)).size).toBe(3);
  const freed = first[1];
  if (freed !== undefined) core.settle(freed, 200, false);
  expect(claimed(core).target.id).toBe(freed?.target.id);
});

test('unhealthy targets are passed over, then the other release helps out and neither fails', ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 99, 2: 1 }));
  for (const target of core.targets()) if (target.release === 1) target.healthy = false;
  for (let i = 0; i < 20; i++) {
    const claim = claimed(core);
    expect(claim.target.release).toBe(2);
    core.settle(claim, 200, false);
  }
  expect(core.read().totals.map((lane) => lane.failures)).toEqual([0, 0]);
});

test('a claim moves to another target, first of its own release', ({ expect }) => {
  const core = open(() => 0);
  core.apply(tableOf([targetAt(1, 1, 'a'), targetAt(2, 1, 'b'), targetAt(3, 2, 'c')], { 1: 50, 2: 50 }));
  const claim = claimed(core);
  const first = claim.target;
  first.healthy = false;
  expect(core.move(claim)).toBe(true);
  expect(claim.target.release).toBe(1);
  claim.target.healthy = false;
  expect(core.move(claim)).toBe(true);
  expect(claim.target.id).toBe('c');
  expect(core.read().inFlight).toEqual([
    { release: 1, requests: 0, upgraded: 0 },
    { release: 2, requests: 1, upgraded: 0 },
  ]);
  expect(core.inFlight()).toBe(1);
});

test('streams are counted apart, so they do not hold up a drain', ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 100, 2: 0 }));
  const claim = claimed(core);
  core.upgrade(claim, 101);
  expect(core.read().inFlight[0]).toEqual({ release: 1, requests: 0, upgraded: 1 });
  core.settle(claim, 0, true);
  expect(core.read().inFlight[0]).toEqual({ release: 1, requests: 0, upgraded: 0 });
  expect(core.read().totals[0]).toMatchObject({ requests: 1, failures: 0, byStatus: { '1xx': 1 }, latency: [] });
});

test('a hold is bounded in count and in time', async ({ expect }) => {
  const core = open();
  core.apply(tableOf(both, { 1: 100, 2: 0 }, { hold: true }));
  expect(core.claim(undefined, undefined)).toBe('held');
  const outcomes: string[] = [];
  const late = Promise.withResolvers<void>();
  core.hold.add((outcome) => outcomes.push(`a ${outcome}`));
  core.hold.add((outcome) => {
    outcomes.push(`b ${outcome}`);
    late.resolve();
  });
  expect(core.hold.add(() => {})).toBeUndefined();
  await late.promise;
  expect(outcomes).toEqual(['a late', 'b late']);
  expect(core.hold.size()).toBe(0);
});

test('nothing deployed yet is said, and counted for nobody', ({ expect }) => {
  const core = open();
  expect(core.claim(undefined, undefined)).toBe('no-release');
  expect(core.read().totals).toEqual([]);
});

test('counters of releases long gone are dropped, those in the table never', ({ expect }) => {
  const core = open();
  for (let release = 1; release <= 50; release++) {
    core.apply(tableOf([targetAt(1000 + release, release)], { [release]: 100 }));
    core.settle(claimed(core), 200, false);
  }
  const { totals } = core.read();
  expect(totals.length).toBeLessThanOrEqual(33);
  expect(totals.at(-1)).toMatchObject({ release: 50, requests: 1 });
});

test.for([
  ['weights that sum to 99', tableOf(both, { 1: 99 })],
  ['a weight without a target', tableOf(both, { 3: 100 })],
  ['the same id twice', tableOf([targetAt(1, 1, 'a'), targetAt(2, 1, 'a')], { 1: 100 })],
  ['a port that is none', tableOf([targetAt(0)], { 1: 100 })],
  ['a host with a path', tableOf([{ ...targetAt(1), host: 'x/../y' }], { 1: 100 })],
  ['no table', null],
] as const)('a table with %s is refused', ([, table], { expect }) => {
  expect(() => parseTable(table)).toThrow(expect.objectContaining({ code: 'router.bad_table' }));
});
