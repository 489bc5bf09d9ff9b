import { TowpathError } from '../kernel/index.ts';
import { sleep } from '../system/index.ts';
import type { CronGroupNow, Generation, RunState, ScheduleNeeds, TickEvent, TickRun } from './model.ts';
import { changeTick, type OpenTick, type TickChange } from './store.ts';

const POLL_MS = 500;
/** So often the end of a run may come from outside before that counts like a failure: it may be its own doing. */
const MOST_INTERRUPTIONS = 10;

export interface Turn {
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** Resolves with the generation whose turn it is; waits while nobody's is. */
  generation(): Promise<Generation>;
  /** The same without waiting: the last one that was known, if any. */
  lastKnown(): Promise<Generation | undefined>;
}

export const tickIdOf = (needs: Pick<ScheduleNeeds, 'scope'>, group: string, tick: number): string =>
  `${needs.scope.app}/${needs.scope.environment}/${group}/${new Date(tick).toISOString()}`;

/** `r12.seo-ctr.20261122T100000.1` */
export const tokenOf = (release: number, group: string, tick: number, attempt: number): string =>
  `r${release}.${group}.${new Date(tick).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.${attempt}`;

/**
 * Brings one tick to its end: starts a run, or adopts the one that a crash has left, follows it, and
 * tries again while attempts remain. At no time are there two runs of it.
 */
export async function finishTick(needs: ScheduleNeeds, open: OpenTick, turn: Turn): Promise<void> {
  let tick = open;
  const write = async (change: Partial<TickChange> & { readonly state: TickChange['state'] }): Promise<void> => {
    const { token, startedAt, release, attempt, interrupted } = tick;
    const whole: TickChange = { token, startedAt, release, attempt, interrupted, because: '', ...change };
    await needs.fenceCheck();
    await changeTick(needs.database, tick.id, turn.epoch, whole);
    if (whole.state === 'claimed' || whole.state === 'running') tick = { ...tick, ...whole, state: whole.state };
  };
  const say = (event: TickEvent['event'], because: string): Promise<void> =>
    needs.record({
      group: tick.group,
      at: new Date(tick.tick).toISOString(),
      release: tick.release,
      event,
      attempt: tick.attempt,
      because,
    });
  const skip = async (because: string): Promise<void> => {
    await write({ state: 'skipped', because });
    await say('skipped', because);
  };

  for (;;) {
    turn.signal.throwIfAborted();
    // A run in hand is followed to its end on the release that it was started with, whoever's turn it is.
    const found = await look(needs, tick, turn);
    if (tick.state === 'claimed' && found === 'gone') {
      const generation = await turn.generation();
      const group = groupOf(generation, tick.group);
      if (group === undefined) return await skip(`release ${generation.release} has no group ${tick.group}`);
      if (failures(tick) > group.retries) return await write({ state: 'failed', because: tick.because });
      if (tick.attempt === 1 && needs.clock.now() - tick.tick > group.catchUpMs) {
        return await skip(`its turn came ${needs.clock.now() - tick.tick} ms late, over catchUp`);
      }
      await begin(needs, tick, generation.release, turn, write);
      continue;
    }
    if (tick.state === 'claimed') {
      // Begun by a controller that died before it could say so.
      await write({ state: 'running', startedAt: tick.startedAt ?? needs.clock.now() });
      continue;
    }
    const ended = found === 'running' ? await follow(needs, tick, turn) : verdictOf(found);
    if (ended === 'done') {
      await write({ state: 'done' });
      await say('done', 'ended with 0');
      // After the row, for a success that is forgotten first would be run again after a crash.
      return await needs.forget(tick.token ?? '', turn.epoch, turn.signal);
    }
    // Before the row: should we die in between, a run that is gone counts as failed all the same.
    await needs.fenceCheck();
    await needs.forget(tick.token ?? '', turn.epoch, turn.signal);
    const group = groupOf(await turn.lastKnown(), tick.group);
    const interrupted = tick.interrupted + (ended.interrupted && tick.interrupted < MOST_INTERRUPTIONS ? 1 : 0);
    const next = { attempt: tick.attempt + 1, interrupted };
    const last = group !== undefined && failures(next) > group.retries;
    await say('failed', last ? `${ended.because}; no attempt is left` : ended.because);
    if (last) return await write({ state: 'failed', because: ended.because });
    // While nobody's turn is known, whether an attempt is left is decided when one begins.
    await write({
      state: 'claimed',
      ...next,
      token: undefined,
      startedAt: undefined,
      because: ended.because,
    });
    await sleep(Math.min(60_000, (needs.retryDelayMs ?? 1000) * 2 ** Math.max(0, failures(next) - 1)), turn.signal);
  }
}

async function begin(
  needs: ScheduleNeeds,
  tick: OpenTick,
  release: number,
  turn: Turn,
  write: (change: Partial<TickChange> & { readonly state: 'claimed' | 'running' }) => Promise<void>,
): Promise<void> {
  const token = tokenOf(release, tick.group, tick.tick, tick.attempt);
  const startedAt = needs.clock.now();
  // First what will be done, then doing it: after a crash in between, the token is looked for.
  await write({ state: 'claimed', token, release, startedAt });
  const run: TickRun = {
    token,
    group: tick.group,
    tick: tick.tick,
    tickId: tickIdOf(needs, tick.group, tick.tick),
    attempt: tick.attempt,
    release,
  };
  await needs.start(run, turn.epoch, turn.signal);
  await write({ state: 'running', token, release, startedAt });
}

/** How many attempts have failed by their own doing. */
const failures = (tick: { readonly attempt: number; readonly interrupted: number }): number =>
  tick.attempt - 1 - tick.interrupted;

type Ended = 'done' | { readonly because: string; readonly interrupted: boolean };

function verdictOf(found: Exclude<RunState, 'running'>): Ended {
  if (found === 'gone') return { because: 'its end was not seen', interrupted: true };
  if (found === 'killed') return { because: 'it was killed from outside', interrupted: true };
  return found.exit === 0 ? 'done' : { because: `ended with ${found.exit}`, interrupted: false };
}

async function follow(needs: ScheduleNeeds, tick: OpenTick, turn: Turn): Promise<Ended> {
  const token = tick.token ?? '';
  // What it had run when we came; from here on by the clock that never jumps.
  const before = Math.max(0, needs.clock.now() - (tick.startedAt ?? needs.clock.now()));
  const came = needs.clock.elapsed();
  for (;;) {
    await sleep(needs.pollMs ?? POLL_MS, turn.signal);
    const found = await look(needs, tick, turn);
    if (found !== 'running') return verdictOf(found);
    const timeoutMs = groupOf(await turn.lastKnown(), tick.group)?.timeoutMs;
    if (timeoutMs === undefined) continue;
    if (before + (needs.clock.elapsed() - came) <= timeoutMs) continue;
    await needs.fenceCheck();
    await needs.stop(token, turn.epoch, turn.signal);
    return { because: `stopped after its timeout of ${timeoutMs} ms`, interrupted: false };
  }
}

async function look(needs: ScheduleNeeds, tick: OpenTick, turn: Turn): Promise<RunState> {
  if (tick.token === undefined) return 'gone';
  for (;;) {
    const found = await needs.observe(tick.token, turn.signal);
    const age = needs.clock.now() - (tick.startedAt ?? 0);
    if (found !== 'gone' || Math.abs(age) >= (needs.listLagMs ?? 0)) return found;
    await sleep(needs.pollMs ?? POLL_MS, turn.signal);
  }
}

const groupOf = (generation: Generation | undefined, group: string): CronGroupNow | undefined =>
  generation?.groups.find((known) => known.group === group);

/** Whether to give up: this controller has been replaced. */
export const isFenced = (error: unknown): error is TowpathError =>
  error instanceof TowpathError && error.code === 'lease.fenced';

/** Whether someone else has brought the tick to its end. */
export const isOver = (error: unknown): boolean => error instanceof TowpathError && error.code === 'schedule.tick_over';
