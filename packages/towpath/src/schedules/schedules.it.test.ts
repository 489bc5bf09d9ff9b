import { test } from 'vitest';
import { TowpathError } from '../kernel/index.ts';
import { openDatabase, sql, until, type Database } from '../system/index.ts';
import { createTestDatabase } from '../system/testing.ts';
import { createSchedules, type CronGroupNow, type Generation, type TickEvent, type TickRun } from './index.ts';

type Finish = (work: () => Promise<void>) => void;

const MINUTE = 60_000;
/** How a run ends whose process somebody else has killed. */
const KILLED = -9;
const START = new Date('2026-05-01T10:00:30Z').getTime();
const group: CronGroupNow = {
  group: 'job',
  schedule: '* * * * *',
  timeoutMs: 5000,
  retries: 1,
  catchUpMs: 10 * MINUTE,
};

/** Instances as a provider would hold them: what runs survives the controller. */
function createWorld() {
  const exits = new Map<string, number | undefined>();
  const started: TickRun[] = [];
  const doubled: string[] = [];
  const forgotten: string[] = [];
  return {
    started,
    doubled,
    forgotten,
    exits,
    /** How a run ends at once; undefined: it goes on until `end`. */
    behave: (_run: TickRun): number | undefined => 0,
    end(token: string, code: number) {
      exits.set(token, code);
    },
    start(run: TickRun) {
      if (exits.has(run.token)) return;
      const twin = started.find(
        ({ tickId, token }) => tickId === run.tickId && exits.has(token) && exits.get(token) === undefined,
      );
      if (twin !== undefined) doubled.push(run.tickId);
      started.push(run);
      exits.set(run.token, this.behave(run));
    },
  };
}

async function setup(onTestFinished: Finish) {
  const made = await createTestDatabase();
  const database = openDatabase(made.url, { max: 5 });
  const controllers: { stop(): Promise<void> }[] = [];
  onTestFinished(async () => {
    await Promise.all(controllers.map((controller) => controller.stop()));
    await database.close();
    await made.dispose();
  });
  const world = createWorld();
  const clock = { at: START, now: () => clock.at, elapsed: () => clock.at };
  const events: TickEvent[] = [];
  const state = { generation: { release: 1, groups: [group] } as Generation | undefined, epoch: 0 };
  const errors: unknown[] = [];

  /** A controller; several may run on the same database and world. */
  function control(more: { crashIn?: 'before start' | 'after start' | 'after the end' } = {}) {
    const epoch = ++state.epoch;
    const stop = new AbortController();
    let crashed = false;
    const crash = (): never => {
      crashed = true;
      stop.abort();
      throw new Error('crashed');
    };
    const schedules = createSchedules({
      scope: { app: 'shop', environment: 'local' },
      database,
      clock,
      async start(run) {
        if (more.crashIn === 'before start') crash();
        world.start(run);
        if (more.crashIn === 'after start') crash();
      },
      async observe(token) {
        if (!world.exits.has(token)) return 'gone';
        const exit = world.exits.get(token);
        return exit === undefined ? 'running' : exit === KILLED ? 'killed' : { exit };
      },
      async stop(token) {
        world.end(token, 143);
      },
      async forget(token) {
        if (more.crashIn === 'after the end') crash();
        world.forgotten.push(token);
        world.exits.delete(token);
      },
      async fenceCheck() {
        if (crashed) throw new Error('crashed');
      },
      record: async (event) => void events.push(event),
      onError: (error) => void errors.push(error),
      pollMs: 10,
      retryDelayMs: 10,
    });
    const running = schedules.run(async () => state.generation, epoch, stop.signal);
    running.catch(() => {});
    const controller = {
      schedules,
      running,
      stop: async () => {
        stop.abort();
        await running.catch(() => {});
      },
    };
    controllers.push(controller);
    return controller;
  }
  const rows = (where: Database = database) =>
    where.query(sql`select state, attempt, release, to_char(tick at time zone 'utc', 'HH24:MI') as tick
      from towpath.cron_tick order by cron_tick.tick`);
  const ended = (count: number) =>
    until(
      `${count} ticks to end`,
      async () => {
        const [row] = await database.query(sql`
          select count(*) as n from towpath.cron_tick where state in ('done', 'failed', 'skipped')`);
        return row?.['n'] === count;
      },
      { every: 10, within: 8000 },
    );
  /** The groups are looked at for the first time: what came before is nobody's tick. */
  const seen = () =>
    until(
      'the group to be known',
      async () => (await database.query(sql`select 1 from towpath.cron_group`)).length > 0,
      {
        every: 10,
        within: 5000,
      },
    );
  return { database, world, clock, events, state, errors, control, rows, ended, seen };
}

test('a tick runs once though two controllers are up, on the release whose turn it is', async ({
  expect,
  onTestFinished,
}) => {
  const { world, clock, state, control, rows, ended, seen, events } = await setup(onTestFinished);
  const [a, b] = [control(), control()];
  await seen();
  clock.at += MINUTE;
  a.schedules.changed();
  b.schedules.changed();
  await ended(1);
  expect(world.started.map(({ token, attempt, release }) => ({ token, attempt, release }))).toEqual([
    { token: 'r1.job.20260501T100100.1', attempt: 1, release: 1 },
  ]);
  state.generation = { release: 2, groups: [group] };
  clock.at += MINUTE;
  b.schedules.changed();
  await ended(2);
  expect(await rows()).toEqual([
    { state: 'done', attempt: 1, release: 1, tick: '10:01' },
    { state: 'done', attempt: 1, release: 2, tick: '10:02' },
  ]);
  expect(events.map(({ event, at }) => `${event} ${at}`).filter((line) => line.includes('10:01'))).toEqual([
    'claimed 2026-05-01T10:01:00.000Z',
    'done 2026-05-01T10:01:00.000Z',
  ]);
});

test('a run in hand finishes on the old release while new ticks go to the new one, one after the other', async ({
  expect,
  onTestFinished,
}) => {
  const { world, clock, state, control, rows, ended, seen } = await setup(onTestFinished);
  world.behave = (run) => (run.release === 1 ? undefined : 0);
  const { schedules } = control();
  await seen();
  clock.at += MINUTE;
  schedules.changed();
  await until('the run', () => world.started[0], { every: 10, within: 5000 });
  state.generation = { release: 2, groups: [group] };
  schedules.changed();
  expect(await schedules.inHand(1)).toMatchObject([{ token: 'r1.job.20260501T100100.1', release: 1 }]);
  // Paused in between: the run in hand still comes to its end.
  state.generation = undefined;
  world.end('r1.job.20260501T100100.1', 0);
  await ended(1);
  expect(await schedules.inHand(1)).toEqual([]);
  clock.at += MINUTE;
  schedules.changed();
  await until('nothing, for a while', () => new Promise<true>((resolve) => setTimeout(() => resolve(true), 200)), {
    every: 10,
    within: 1000,
  });
  expect(world.started).toHaveLength(1);
  state.generation = { release: 2, groups: [group] };
  schedules.changed();
  await ended(2);
  expect(await rows()).toMatchObject([
    { release: 1, state: 'done' },
    { release: 2, state: 'done' },
  ]);
});

test('a failed run is tried again as often as allowed, one that hangs is stopped, and each failure is recorded', async ({
  expect,
  onTestFinished,
}) => {
  const { world, clock, control, rows, ended, seen, events, state } = await setup(onTestFinished);
  world.behave = (run) => (run.attempt === 1 ? 1 : 0);
  const { schedules } = control();
  await seen();
  clock.at += MINUTE;
  schedules.changed();
  await ended(1);
  world.behave = () => 7;
  clock.at += MINUTE;
  schedules.changed();
  await ended(2);
  state.generation = { release: 1, groups: [{ ...group, retries: 0, timeoutMs: 1000 }] };
  world.behave = () => undefined;
  clock.at += MINUTE;
  schedules.changed();
  await until('the run', () => world.started[4], { every: 10, within: 5000 });
  clock.at += 1500;
  await ended(3);
  expect(await rows()).toEqual([
    { state: 'done', attempt: 2, release: 1, tick: '10:01' },
    { state: 'failed', attempt: 2, release: 1, tick: '10:02' },
    { state: 'failed', attempt: 1, release: 1, tick: '10:03' },
  ]);
  expect(events.filter(({ event }) => event === 'failed').map(({ because }) => because)).toEqual([
    'ended with 1',
    'ended with 7',
    'ended with 7; no attempt is left',
    'stopped after its timeout of 1000 ms; no attempt is left',
  ]);
  expect(new Set(world.started.slice(0, 2).map((run) => run.tickId)).size).toBe(1);
});

test('after a jump forward only ticks within catchUp run, the others are recorded as skipped; a jump back repeats none', async ({
  expect,
  onTestFinished,
}) => {
  const { database, world, clock, control, ended, seen, events } = await setup(onTestFinished);
  const { schedules } = control();
  await seen();
  clock.at += 30 * MINUTE;
  schedules.changed();
  await ended(30);
  const count = () =>
    database.query(sql`select state, count(*) as n from towpath.cron_tick group by state order by state`);
  expect(await count()).toEqual([
    { state: 'done', n: 10 },
    { state: 'skipped', n: 20 },
  ]);
  expect(world.started).toHaveLength(10);
  expect(events.filter(({ event }) => event === 'skipped')).toHaveLength(20);

  clock.at -= 20 * MINUTE;
  schedules.changed();
  clock.at += 5 * MINUTE;
  schedules.changed();
  clock.at += 16 * MINUTE;
  schedules.changed();
  await ended(31);
  expect(world.started.map((run) => run.tickId)).toHaveLength(new Set(world.started.map((run) => run.tickId)).size);
  expect(world.started.at(-1)?.tickId).toBe('shop/local/job/2026-05-01T10:31:00.000Z');
  expect(world.doubled).toEqual([]);
});

test.for(['before start', 'after start'] as const)(
  'a controller that dies %s of a run: the next one ends with exactly one run',
  async (crashIn, { expect, onTestFinished }) => {
    const { world, clock, control, rows, ended, seen, errors } = await setup(onTestFinished);
    world.behave = () => undefined;
    const dying = control({ crashIn });
    await seen();
    clock.at += MINUTE;
    dying.schedules.changed();
    await dying.running.catch(() => {});
    expect(world.started).toHaveLength(crashIn === 'before start' ? 0 : 1);
    expect(await rows()).toMatchObject([{ state: 'claimed' }]);

    control();
    await until('the run', () => world.started[0], { every: 10, within: 5000 });
    world.end(world.started[0]?.token ?? '', 0);
    await ended(1);
    expect(world.started).toHaveLength(1);
    expect(await rows()).toMatchObject([{ state: 'done', attempt: 1 }]);
    expect(errors).toEqual([]);
  },
);

test('a controller that dies before it forgets an ended run: the next one forgets it and runs nothing again', async ({
  expect,
  onTestFinished,
}) => {
  const { world, clock, control, rows, seen } = await setup(onTestFinished);
  const dying = control({ crashIn: 'after the end' });
  await seen();
  clock.at += MINUTE;
  dying.schedules.changed();
  await dying.running.catch(() => {});
  expect(await rows()).toMatchObject([{ state: 'done', attempt: 1 }]);
  expect(world.forgotten).toEqual([]);
  control();
  await until('the run to be forgotten', () => world.forgotten.length > 0, { every: 10, within: 5000 });
  expect(world.forgotten).toEqual(['r1.job.20260501T100100.1']);
  expect(world.started).toHaveLength(1);
});

test('a run that is killed from outside is run again and uses up no retry', async ({ expect, onTestFinished }) => {
  const { world, clock, control, rows, ended, seen } = await setup(onTestFinished);
  // One retry is allowed: attempts 1 to 3 are killed, 4 fails.
  world.behave = (run) => (run.attempt <= 3 ? KILLED : run.attempt === 4 ? 1 : 0);
  const controller = control();
  await seen();
  clock.at += MINUTE;
  controller.schedules.changed();
  await ended(1);
  expect(await rows()).toMatchObject([{ state: 'done', attempt: 5 }]);
  expect(world.doubled).toEqual([]);
});

test('a run that is killed every time is given up in the end', async ({ expect, onTestFinished }) => {
  const { world, clock, control, rows, ended, seen } = await setup(onTestFinished);
  world.behave = () => KILLED;
  const controller = control();
  await seen();
  clock.at += MINUTE;
  controller.schedules.changed();
  await ended(1);
  expect(await rows()).toMatchObject([{ state: 'failed', attempt: 12 }]);
});

test('runs are adopted after a restart; one whose end nobody saw is run again', async ({ expect, onTestFinished }) => {
  const { world, clock, control, rows, ended, seen } = await setup(onTestFinished);
  world.behave = (run) => (run.attempt === 1 ? undefined : 0);
  const first = control();
  await seen();
  clock.at += MINUTE;
  first.schedules.changed();
  await until('the run', async () => (await rows())[0]?.['state'] === 'running', { every: 10, within: 5000 });
  await first.stop();
  world.exits.delete(world.started[0]?.token ?? '');
  control();
  await ended(1);
  expect(await rows()).toMatchObject([{ state: 'done', attempt: 2 }]);
});

test('a controller that was replaced while it slept changes nothing any more and ends', async ({
  expect,
  onTestFinished,
}) => {
  const { database, world, clock, control, rows, seen } = await setup(onTestFinished);
  world.behave = () => undefined;
  const old = control();
  await seen();
  clock.at += MINUTE;
  old.schedules.changed();
  await until('the run', async () => (await rows())[0]?.['state'] === 'running', { every: 10, within: 5000 });
  await database.query(sql`update towpath.cron_tick set epoch = 99`);
  world.end(world.started[0]?.token ?? '', 0);
  const error: unknown = await old.running.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TowpathError);
  expect(error).toMatchObject({ code: 'lease.fenced' });
  expect(await rows()).toMatchObject([{ state: 'running' }]);
});

test('a changed schedule, and a group that comes back, have no past to catch up with', async ({
  expect,
  onTestFinished,
}) => {
  const { world, clock, state, control, seen, ended } = await setup(onTestFinished);
  state.generation = { release: 1, groups: [{ ...group, schedule: '0 * * * *' }] };
  const { schedules } = control();
  await seen();
  clock.at += 20 * MINUTE;
  schedules.changed();
  state.generation = { release: 2, groups: [group] };
  schedules.changed();
  await until('nothing, for a while', () => new Promise<true>((resolve) => setTimeout(() => resolve(true), 150)), {
    every: 10,
    within: 1000,
  });
  expect(world.started).toEqual([]);
  clock.at += MINUTE;
  schedules.changed();
  await ended(1);
  expect(world.started.map((run) => run.tickId)).toEqual(['shop/local/job/2026-05-01T10:21:00.000Z']);
});
