import { setTimeout as delay } from 'node:timers/promises';
import { describe, test, type TestContext } from 'vitest';
import { TowpathError, type Json } from '../kernel/index.ts';
import { createLog, openDatabase, sql, systemClock, until } from '../system/index.ts';
import { createTestDatabase } from '../system/testing.ts';
import { createCrash, createWorkflow, type Observer, type Step } from './index.ts';
import { takeLease } from './lease.ts';

const quiet: Observer = {
  stepStarted: async () => {},
  stepDone: async () => {},
  stepFailed: async () => {},
  effect: async () => {},
  turned: async () => {},
};

async function open({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const made = await createTestDatabase();
  const database = openDatabase(made.url);
  onTestFinished(async () => {
    await database.close();
    await made.dispose();
  });
  return database;
}

/** Steps that note what was done, in order. */
function toySteps(
  done: string[],
  more: Partial<Record<string, (signal: AbortSignal) => Promise<void>>> = {},
): Step<Json>[] {
  const undoable = (name: string, undoRank: number): Step<Json> => ({
    name,
    title: () => name,
    budgetMs: () => 10_000,
    undoes: 'yes',
    undoRank,
    undoTitle: `un-${name}`,
    async do(_input, context) {
      await context.effect(name, async () => void done.push(name));
      await more[name]?.(context.signal);
    },
    verify: async () => 'seen',
    async undo(_input, context) {
      await context.effect(`un-${name}`, async () => void done.push(`un-${name}`));
    },
    verifyUndone: async () => 'seen gone',
  });
  return [
    undoable('start', 30),
    undoable('traffic', 0),
    undoable('workers', 10),
    {
      name: 'commit',
      title: () => 'commit',
      budgetMs: () => 10_000,
      undoes: 'never',
      pointOfNoReturn: 'gone for good',
      async do(_input, context) {
        done.push('commit');
        await more['commit']?.(context.signal);
      },
      verify: async () => 'seen',
    },
  ];
}

async function workflowOf(
  context: Pick<TestContext, 'onTestFinished'>,
  steps: Step<Json>[],
  ended: { status?: string; because?: string | null }[] = [],
  clock = systemClock,
) {
  const database = await open(context);
  const workflow = createWorkflow({
    database,
    clock,
    log: createLog(() => {}, systemClock.now),
    holder: 'test',
    ttlMs: 3000,
    steps,
    observer: quiet,
    crash: createCrash(undefined, () => {}),
    close: async (run) => void ended.push({ status: run.status, because: run.because }),
  });
  const stop = new AbortController();
  const operation = workflow.operate('app/here', (_lease, signal) => waitFor(signal), stop.signal);
  context.onTestFinished(async () => {
    stop.abort();
    await operation.ended;
  });
  return { workflow, database };
}

const waitFor = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

const ALL = ['start', 'traffic', 'workers', 'commit'].map((name) => ({ name, input: {} }));
const within = { every: 20, within: 10_000 };

describe('a run', () => {
  test('performs its steps in order and is closed once', async (context) => {
    const done: string[] = [];
    const ended: { status?: string }[] = [];
    const { workflow } = await workflowOf(context, toySteps(done), ended);
    await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL);
    await until('it is closed', () => ended.length > 0, within);
    context.expect(done).toEqual(['start', 'traffic', 'workers', 'commit']);
    await delay(100);
    context.expect(ended).toEqual([{ status: 'done', because: null }]);
  });

  test('measures the age of a step by no clock that can be set', async (context) => {
    let off = 0;
    const ages: number[] = [];
    const ended: { status?: string }[] = [];
    const [start] = toySteps([]);
    const steps: Step<Json>[] =
      start === undefined
        ? []
        : [
            {
              ...start,
              async do(_input, step) {
                ages.push(step.age());
                off = -3_600_000;
                await delay(50);
                ages.push(step.age());
                off = 3_600_000;
                ages.push(step.age());
              },
            },
          ];
    const clock = { now: () => systemClock.now() + off, elapsed: systemClock.elapsed };
    const { workflow } = await workflowOf(context, steps, ended, clock);
    await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL.slice(0, 1));
    await until('it is closed', () => ended.length > 0, within);
    const [first = -1, second = -1, third = -1] = ages;
    context.expect(first).toBeGreaterThanOrEqual(0);
    context.expect(second - first).toBeGreaterThanOrEqual(49);
    context.expect(third).toBeLessThan(10_000);
  });

  test('that fails is taken back by rank, traffic first, instances last', async (context) => {
    const done: string[] = [];
    const ended: { status?: string }[] = [];
    const steps = toySteps(done, {
      workers: async () => {
        throw new TowpathError('test.bad', 'workers broke', { remedy: 'undo', hint: 'mend them' });
      },
    });
    const { workflow } = await workflowOf(context, steps, ended);
    await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL);
    await until('it is closed', () => ended.length > 0, within);
    context.expect(done).toEqual(['start', 'traffic', 'workers', 'un-traffic', 'un-workers', 'un-start']);
    context.expect(ended).toEqual([{ status: 'undone', because: 'workers broke' }]);
  });

  test('turns back on abort, in the middle of a step', async (context) => {
    const done: string[] = [];
    const ended: { status?: string; because?: string | null }[] = [];
    const steps = toySteps(done, { traffic: (signal) => delay(20_000, undefined, { signal }) });
    const { workflow } = await workflowOf(context, steps, ended);
    const run = await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL);
    await until('traffic is under way', () => done.includes('traffic'), within);
    if (run === undefined) throw new Error('not begun');
    await workflow.signal(run, { name: 'abort', actor: 'bob', reason: 'looks wrong' });
    await until('it is closed', () => ended.length > 0, within);
    context.expect(done).toEqual(['start', 'traffic', 'un-traffic', 'un-start']);
    context.expect(ended).toEqual([{ status: 'undone', because: 'looks wrong' }]);
  });

  test('turns back on an abort that its last step before the point of no return did not hear', async (context) => {
    const done: string[] = [];
    const ended: { status?: string; because?: string | null }[] = [];
    const { workflow } = await workflowOf(context, toySteps(done, { workers: () => delay(500) }), ended);
    const run = await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL);
    await until('it is there', () => done.includes('workers'), within);
    if (run === undefined) throw new Error('not begun');
    await workflow.signal(run, { name: 'abort', actor: 'ann', reason: 'not like this' });
    await until('it is closed', () => ended.length > 0, within);
    context.expect(done).toEqual(['start', 'traffic', 'workers', 'un-traffic', 'un-workers', 'un-start']);
    context.expect(ended).toEqual([{ status: 'undone', because: 'not like this' }]);
  });

  test('past its point of no return cannot be aborted and goes on until it is through', async (context) => {
    const done: string[] = [];
    const ended: { status?: string }[] = [];
    let broken = 2;
    const steps = toySteps(done, {
      commit: async () => {
        if (broken-- > 0) throw new TowpathError('test.away', 'not now', { remedy: 'undo', hint: 'wait' });
      },
    });
    const { workflow } = await workflowOf(context, steps, ended);
    const run = await workflow.begin({ subject: 'app/here', input: {}, actor: 'ann', wait: false }, ALL);
    await until('commit was tried', () => done.includes('commit'), within);
    if (run === undefined) throw new Error('not begun');
    await context
      .expect(workflow.signal(run, { name: 'abort', actor: 'bob', reason: 'too late' }))
      .rejects.toMatchObject({ code: 'workflow.committed' });
    await until('it is closed', () => ended.length > 0, within);
    context.expect(done).toEqual(['start', 'traffic', 'workers', 'commit', 'commit', 'commit']);
    context.expect(ended[0]?.status).toBe('done');
  });

  test('is refused while another is active, or waits for it', async (context) => {
    const done: string[] = [];
    const ended: { status?: string }[] = [];
    const gate = Promise.withResolvers<void>();
    const { workflow } = await workflowOf(context, toySteps(done, { start: () => gate.promise }), ended);
    await workflow.begin({ subject: 'app/here', input: 1, actor: 'ann', wait: false }, ALL.slice(0, 1));
    context
      .expect(await workflow.begin({ subject: 'app/here', input: 2, actor: 'bob', wait: false }, ALL))
      .toBeUndefined();
    const waiting = await workflow.begin({ subject: 'app/here', input: 3, actor: 'cat', wait: true }, ALL.slice(1, 2));
    context.expect(waiting?.status).toBe('waiting');
    gate.resolve();
    await until('both are closed', () => ended.length === 2, within);
    context.expect(done).toEqual(['start', 'traffic']);
  });
});

describe('the lease', () => {
  const options = (database: Awaited<ReturnType<typeof open>>, holder: string, ttlMs = 1500) => ({
    database,
    clock: systemClock,
    key: 'app/here',
    holder,
    ttlMs,
  });

  test('is held by one, follows at once when its holder lets go, with a higher epoch', async (context) => {
    const database = await open(context);
    const first = await takeLease(options(database, 'one'), context.signal);
    let second: { fence: { epoch: number } } | undefined;
    const taking = takeLease(options(database, 'two'), context.signal).then((lease) => (second = lease));
    await delay(1000);
    context.expect(second).toBeUndefined();
    await first.prove();
    await first.release();
    const lease = await taking;
    context.expect(lease.fence.epoch).toBe(first.fence.epoch + 1);
    await context.expect(first.prove()).rejects.toMatchObject({ code: 'lease.lost' });
  });

  test('passes on when the database ends the session of its holder', async (context) => {
    const database = await open(context);
    const first = await takeLease(options(database, 'one', 60_000), context.signal);
    await database.query(
      sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${'towpath lease app/here'}`,
    );
    await until('the holder knows', () => first.lost.aborted, within);
    const second = await takeLease(options(database, 'two'), context.signal);
    await context.expect(second.prove()).resolves.toBeUndefined();
    await second.release();
  });

  test('of a holder that hangs passes on once it has run out, and the sleeper cannot prove it any more', async (context) => {
    const database = await open(context);
    let asleep = false;
    // A process that is stopped neither renews nor notices: its clock stands still for it.
    const clock = { now: systemClock.now, elapsed: () => (asleep ? 0 : systemClock.elapsed()) };
    const first = await takeLease({ ...options(database, 'one', 600), clock }, context.signal);
    await database.query(sql`update towpath.lease set expires_at = clock_timestamp() - interval '1 second'`);
    asleep = true;
    const second = await takeLease(options(database, 'two'), context.signal);
    context.expect(second.fence.epoch).toBeGreaterThan(first.fence.epoch);
    await context.expect(first.prove()).rejects.toMatchObject({ code: 'lease.lost' });
    await second.release();
  });
});
