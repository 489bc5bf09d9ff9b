import { describe, test, type TestContext } from 'vitest';
import { ConfigSchema, type ConfigInput } from '../config/index.ts';
import { createLedger } from '../evidence/index.ts';
import { simpleJudge } from '../judge/index.ts';
import { sha256 } from '../kernel/index.ts';
import { createFakeProvider, type FakeMood } from '../providers/testing.ts';
import { createFakeRouter } from '../router/testing.ts';
import { createLog, openDatabase, sleep, systemClock, until } from '../system/index.ts';
import { createTestDatabase } from '../system/testing.ts';
import { createCrash } from '../workflow/index.ts';
import { control, createEnvironment, inputOf, type ReleaseNeeds } from './index.ts';

const SCOPE = { app: 'toy', environment: 'local' };
const within = { every: 20, within: 45_000 };

const configOf = (over: Partial<ConfigInput> = {}): ConfigInput => ({
  app: 'toy',
  processes: {
    web: {
      kind: 'web',
      command: 'web',
      instances: 2,
      readiness: { interval: '20ms', timeout: '15s' },
      drainTimeout: '1s',
      upgradeDrainTimeout: '1s',
    },
    worker: { kind: 'worker', command: 'worker', instances: 2, readiness: { timeout: '15s' }, drainTimeout: '2s' },
  },
  rollout: {
    stages: [20, 100],
    hold: '100ms',
    bake: '100ms',
    health: { minRequests: 10, minFailures: 3, maxFailureIncrease: 1 },
  },
  ...over,
});

/** An environment on a real database, with a provider and a router in memory and requests that never stop. */
async function open({ onTestFinished }: Pick<TestContext, 'onTestFinished'>, mood: FakeMood, seed = 1) {
  const made = await createTestDatabase();
  const database = openDatabase(made.url);
  const stop = new AbortController();
  const provider = createFakeProvider({ ...mood, seed });
  const router = createFakeRouter();
  const ledger = createLedger({ database, now: systemClock.now });
  let text = 'v1';
  let over: Partial<ConfigInput> = {};
  let bad: number | undefined;
  let unready: number | undefined;
  const reports: number[] = [];
  const needs: ReleaseNeeds = {
    scope: SCOPE,
    database,
    clock: systemClock,
    log: createLog(() => {}, systemClock.now),
    holder: 'test',
    leaseTtlMs: 5000,
    crash: createCrash(undefined, () => {}),
    record: ledger.record,
    provider,
    router: router.router,
    judge: simpleJudge,
    builder: {
      async build() {
        const config = ConfigSchema.parse(configOf(over));
        return {
          artifact: sha256(text),
          location: `/nowhere/${text}`,
          config,
          configHash: sha256(text),
          migrations: [],
          ms: 1,
        };
      },
      verify: async () => {},
    },
    expand: { pending: async () => [], apply: async () => [] },
    cron: { run: (_current, _fence, signal) => sleep(2 ** 30, signal).catch(() => {}), changed: () => {} },
    environmentValues: async () => ({}),
    async probe(url) {
      const port = Number(new URL(url).port);
      const instance = provider.world(SCOPE).find((one) => one.address?.port === port);
      return instance?.state === 'running' && instance.release !== unready ? 200 : undefined;
    },
    ensureRouter: async () => ({ url: 'http://127.0.0.1:1', started: false }),
    isFinished: async (rollout) =>
      (await ledger.read({ rollout, limit: 1000 })).some((row) => row.kind === 'rollout.finished'),
    async writeReport(rollout) {
      reports.push(rollout);
      return { markdown: '', html: '' };
    },
  };
  const environment = createEnvironment(needs);
  const operation = environment.operate(stop.signal);
  const served = { failed: 0, badAnswers: 0, byRelease: new Map<number, number>() };
  const requests = (async () => {
    while (!stop.signal.aborted) {
      const { status, release } = await router.send({ answer: (target) => (target.release === bad ? 500 : 200) });
      if (release !== undefined) served.byRelease.set(release, (served.byRelease.get(release) ?? 0) + 1);
      if (status === 500) served.badAnswers++;
      else if (status >= 400 && served.byRelease.size > 0) served.failed++;
      await sleep(2);
    }
  })();
  onTestFinished(async () => {
    stop.abort();
    await operation.ended;
    await requests;
    await database.close();
    await made.dispose();
  });
  const begin = (more: { plan?: string; wait?: boolean; resumeDeploys?: boolean } = {}) =>
    environment.begin(
      {
        source: { kind: 'directory', dir: '/nowhere', ref: text },
        reason: 'deploy',
        actor: 'ann',
        wait: false,
        resumeDeploys: false,
        ...more,
      },
      AbortSignal.timeout(30_000),
    );
  const ended = (id: number) =>
    until(
      'the rollout has ended',
      async () => {
        const run = await environment.runs.run(id);
        return run?.endedAt !== null && reports.includes(id) ? run : undefined;
      },
      within,
    );
  return {
    environment,
    provider,
    router,
    ledger,
    served,
    begin,
    ended,
    change(to: string, config: Partial<ConfigInput> = {}) {
      text = to;
      over = config;
    },
    setBad: (release: number | undefined) => (bad = release),
    setUnready: (release: number | undefined) => (unready = release),
    async deploy(to: string, more: Parameters<typeof begin>[0] = {}) {
      text = to;
      return await ended((await begin(more)).id);
    },
  };
}

/** What is wrong with the world: anything but two web and two active worker instances of one release. */
function wrong(subject: Awaited<ReturnType<typeof open>>, release: number): readonly string[] {
  const found = subject.provider
    .world(SCOPE)
    .map((one) => `${one.release} ${one.group} ${one.state} ${one.role}`)
    .toSorted();
  const wanted = ['web', 'web', 'worker', 'worker'].map((group) => `${release} ${group} running active`);
  return found.join() === wanted.join() ? [] : found;
}

const MOODS: readonly (readonly [name: string, mood: FakeMood])[] = [
  ['well-behaved', {}],
  ['whose lists lag', { listLagMs: 60 }],
  ['that loses answers', { loseAnswers: 0.25 }],
  ['that makes two', { duplicateRate: 0.4, listLagMs: 20 }],
  ['that limits the rate', { busyRate: 0.3, mutationsPerSecond: 20 }],
  ['out of reach now and then', { unreachableRate: 0.1 }],
  [
    'with all of it',
    { listLagMs: 40, loseAnswers: 0.15, duplicateRate: 0.15, busyRate: 0.15, unreachableRate: 0.05, startMs: 50 },
  ],
];

describe.for(MOODS)('on a provider %s', ([, mood]) => {
  test('a good release goes live, a bad one is taken back by itself, and nothing is left over', async (context) => {
    const { expect } = context;
    const subject = await open(context, mood, 7);
    expect(await subject.deploy('v1')).toMatchObject({ status: 'done', because: null });
    expect(wrong(subject, 1)).toEqual([]);
    expect(await subject.deploy('v2')).toMatchObject({ status: 'done', because: null });
    expect(wrong(subject, 2)).toEqual([]);
    subject.setBad(3);
    const back = await subject.deploy('v3');
    expect(back.status).toBe('undone');
    expect(back.error?.code).toBe('rollout.regressed');
    expect(wrong(subject, 2)).toEqual([]);
    expect(subject.served.failed).toBe(0);
    expect(subject.served.badAnswers).toBeGreaterThan(0);
    expect((await subject.ledger.verify()).intact).toBe(true);
  });
});

test('a release that is never ready gets no request, and deploys go on', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  subject.setUnready(2);
  subject.change('v2', {
    processes: {
      ...configOf().processes,
      web: { kind: 'web', command: 'web', readiness: { timeout: '300ms', interval: '20ms' } },
    },
  });
  const ended = await subject.ended((await subject.begin()).id);
  expect(ended.error).toMatchObject({ code: 'rollout.not_ready', hint: expect.stringContaining('towpath logs') });
  expect(subject.served.byRelease.has(2)).toBe(false);
  expect((await subject.environment.store.state()).deploysPaused).toBeNull();
});

test('after it was taken back by itself deploys are paused until somebody says so', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  subject.setBad(2);
  await subject.deploy('v2');
  await expect(subject.begin()).rejects.toMatchObject({ code: 'deploys.paused' });
  expect((await subject.deploy('v3', { resumeDeploys: true })).status).toBe('done');
  expect((await subject.environment.store.state()).deploysPaused).toBeNull();
});

test('a deploy by a plan is refused when the world has changed since it was shown', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  subject.change('v2');
  const source = { kind: 'directory', dir: '/nowhere', ref: 'v2' } as const;
  const shown = await subject.environment.plan(source, 'deploy', context.signal);
  expect(shown.described.pointsOfNoReturn).toHaveLength(1);
  subject.change('v2 and one more line');
  await expect(subject.begin({ plan: shown.hash })).rejects.toMatchObject({ code: 'plan.changed' });
  subject.change('v2');
  expect((await subject.ended((await subject.begin({ plan: shown.hash })).id)).status).toBe('done');
});

test('rollback goes back to the release before, in a rollout of its own once that one has stopped', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  await subject.deploy('v2');
  const asked = await control(subject.environment, { signal: 'rollback', actor: 'ann', reason: '' }, context.signal);
  if (asked.rollout === null) throw new Error('no rollout');
  const ended = await subject.ended(asked.rollout);
  expect(ended.status).toBe('done');
  expect(inputOf(ended)).toMatchObject({ to: 1, reason: 'rollback' });
  expect(wrong(subject, 1)).toEqual([]);
  expect(subject.served.failed).toBe(0);
});

test('pause holds a stage, promote goes on without the rest of the waiting', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  const rollout = configOf().rollout;
  subject.change('v2', { rollout: { ...rollout, hold: '600ms', bake: '1h' } });
  const run = await subject.begin();
  const ask = (signal: 'pause' | 'promote') =>
    control(subject.environment, { signal, actor: 'ann', reason: '' }, context.signal);
  await ask('pause');
  const stepsOf = () => subject.environment.runs.steps(run.id);
  await until(
    'the first stage is under way',
    async () => (await stepsOf()).some((step) => step.name === 'stage' && step.state === 'doing'),
    within,
  );
  await sleep(1200);
  expect((await stepsOf()).filter((step) => step.name === 'stage').map((step) => step.state)).toEqual([
    'doing',
    'pending',
  ]);
  await ask('promote');
  expect((await subject.ended(run.id)).status).toBe('done');
});

test('a rollback gives the work back to old workers that crashed before, and to those that were given up', async (context) => {
  const { expect } = context;
  const subject = await open(context, {});
  await subject.deploy('v1');
  subject.change('v2', { rollout: { ...configOf().rollout, bake: '1h' } });
  const run = await subject.begin();
  await until(
    'the new release bakes',
    async () =>
      (await subject.environment.runs.steps(run.id)).some((step) => step.name === 'bake' && step.state === 'doing'),
    within,
  );
  const old = subject.provider.world(SCOPE).filter((one) => one.release === 1 && one.kind === 'worker');
  for (const { id } of old) {
    for (let crashes = 0; crashes < 3; crashes++)
      subject.provider.crash(id, { reason: 'signalled', signal: 'SIGKILL' });
    subject.provider.setReady(id, true);
  }
  subject.provider.fail(old[1]?.id ?? '');
  await control(subject.environment, { signal: 'rollback', actor: 'ann', reason: '' }, context.signal);
  expect((await subject.ended(run.id)).status).toBe('undone');
  expect(wrong(subject, 1)).toEqual([]);
});
