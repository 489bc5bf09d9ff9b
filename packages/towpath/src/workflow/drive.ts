import { asTowpathError, TowpathError, type Json } from '../kernel/index.ts';
import { sleep, type Clock } from '../system/index.ts';
import type { Crash, Direction } from './crash.ts';
import type { Lease } from './lease.ts';
import type { Step, StepContext } from './model.ts';
import type { NewStep, Store, StoredRun, StoredStep } from './store.ts';

/** What the run tells as it goes; main connects it with the ledger. */
export interface Observer {
  stepStarted(run: StoredRun, step: StepFacts): Promise<void>;
  stepDone(run: StoredRun, step: StepFacts & { ms: number; proof: string }): Promise<void>;
  stepFailed(run: StoredRun, step: StepFacts & { ms: number; error: TowpathError }): Promise<void>;
  effect(run: StoredRun, effect: { step: string; effect: string; epoch: number }): Promise<void>;
  turned(run: StoredRun, because: string, actor: string): Promise<void>;
}
export interface StepFacts {
  readonly index: number;
  readonly step: string;
  readonly title: string;
  readonly direction: Direction;
  readonly attempt: number;
}

export interface DriveNeeds {
  readonly store: Store;
  readonly steps: ReadonlyMap<string, Step<Json>>;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly crash: Crash;
  /** Resolves early when something about the subject was notified. */
  readonly wake: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Thrown into a step whose run was asked to turn back. */
class Turned extends Error {
  readonly actor: string;
  constructor(actor: string, reason: string) {
    super(reason);
    this.actor = actor;
  }
}

const RETRIES_MS = [500, 1000, 2000, 5000, 10_000, 20_000, 30_000] as const;

/** Takes a run to its end: forward, or back when a step fails or an abort is asked. */
export async function drive(
  start: StoredRun,
  lease: Lease,
  needs: DriveNeeds,
  shutdown: AbortSignal,
): Promise<StoredRun> {
  let run = start;
  const stop = AbortSignal.any([lease.lost, shutdown]);
  while (run.status === 'running' || run.status === 'undoing') {
    stop.throwIfAborted();
    const steps = await needs.store.steps(run.id);
    run =
      run.status === 'running'
        ? await forward(run, steps, lease, needs, stop)
        : await backward(run, steps, lease, needs, stop);
  }
  return run;
}

function kindOf(needs: DriveNeeds, step: StoredStep): Step<Json> {
  const kind = needs.steps.get(step.name);
  if (kind === undefined) {
    throw new TowpathError('workflow.unknown_step', `this version of Towpath knows no step "${step.name}"`, {
      remedy: 'halt',
      hint: 'start the version that began this rollout, or a newer one',
    });
  }
  return kind;
}

/** Whether a step that cannot be undone was begun: from there the run only goes forward. */
export function isCommitted(steps: readonly StoredStep[], kinds: ReadonlyMap<string, Step<Json>>): boolean {
  return steps.some((step) => step.state !== 'pending' && kinds.get(step.name)?.undoes === 'never');
}

async function forward(
  run: StoredRun,
  steps: readonly StoredStep[],
  lease: Lease,
  needs: DriveNeeds,
  stop: AbortSignal,
): Promise<StoredRun> {
  const { store, observer } = needs;
  const next = steps.find((step) => step.state !== 'done');
  if (next === undefined) return await store.setStatus(run, lease.fence, { status: 'done' });
  const past = isCommitted(steps, needs.steps);
  const committed = past || kindOf(needs, next).undoes === 'never';
  try {
    await perform(run, next, 'do', { deaf: committed, unlessAborted: !past }, lease, needs, stop);
    return (await store.run(run.id)) ?? run;
  } catch (error) {
    stop.throwIfAborted();
    if (error instanceof Turned) {
      await observer.turned(run, error.message, error.actor);
      return await store.setStatus(run, lease.fence, { status: 'undoing', because: error.message });
    }
    const known = asTowpathError(error);
    if (committed) {
      // There is no way back any more: keep at it, visibly, until the world lets it through.
      await store.endStep(run, next.index, lease.fence, 'failed');
      await needs.wake(RETRIES_MS[Math.min(next.attempt, RETRIES_MS.length - 1)] ?? 30_000, stop);
      return run;
    }
    if (known.remedy === 'retry' && next.attempt < 4) {
      // Passing trouble (a rate limit, a connection that broke): the same step again.
      await needs.wake(RETRIES_MS[next.attempt] ?? 5000, stop);
      return run;
    }
    await store.endStep(run, next.index, lease.fence, 'failed');
    await observer.turned(run, known.message, 'engine');
    return await store.setStatus(run, lease.fence, {
      status: 'undoing',
      because: known.message,
      error: known.toJSON(),
    });
  }
}

/** The begun steps that have an undo, in the order in which they are taken back. */
export function undoOrder(steps: readonly StoredStep[], kinds: ReadonlyMap<string, Step<Json>>): readonly StoredStep[] {
  const rank = (step: StoredStep): number => {
    const kind = kinds.get(step.name);
    return kind?.undoes === 'yes' ? kind.undoRank : Number.POSITIVE_INFINITY;
  };
  return steps
    .filter((step) => step.state !== 'pending' && Number.isFinite(rank(step)))
    .sort((a, b) => rank(a) - rank(b) || b.index - a.index);
}

async function backward(
  run: StoredRun,
  steps: readonly StoredStep[],
  lease: Lease,
  needs: DriveNeeds,
  stop: AbortSignal,
): Promise<StoredRun> {
  const next = undoOrder(steps, needs.steps).find((step) => step.state !== 'undone');
  if (next === undefined) return await needs.store.setStatus(run, lease.fence, { status: 'undone' });
  try {
    await perform(run, next, 'undo', { deaf: true, unlessAborted: false }, lease, needs, stop);
  } catch {
    stop.throwIfAborted();
    // Undo is what makes it safe again: it is tried until it holds, and each failure is recorded.
    await needs.wake(RETRIES_MS[Math.min(next.attempt, RETRIES_MS.length - 1)] ?? 30_000, stop);
  }
  return run;
}

async function perform(
  run: StoredRun,
  stored: StoredStep,
  direction: Direction,
  // Deaf to an abort that comes while it works; whether one that came before it keeps it from beginning.
  { deaf, unlessAborted }: { readonly deaf: boolean; readonly unlessAborted: boolean },
  lease: Lease,
  needs: DriveNeeds,
  stop: AbortSignal,
): Promise<void> {
  const { store, observer, clock, crash } = needs;
  const kind = kindOf(needs, stored);
  const state = direction === 'do' ? 'doing' : 'undoing';
  const begun = await store.beginStep(run, stored.index, lease.fence, state, unlessAborted);
  if ('aborted' in begun) throw new Turned(begun.aborted.actor, begun.aborted.reason);
  const facts: StepFacts = {
    index: stored.index,
    step: stored.name,
    title: kind.title(stored.input),
    direction,
    attempt: begun.attempt,
  };
  const started = clock.elapsed();
  await observer.stepStarted(run, facts);
  await crash(stored.name, stored.index, direction, 'before');

  const turn = new AbortController();
  const done = new AbortController();
  // What a timer can hold; a step that waits for a person has no end of its own anyway.
  const budget = Math.min(kind.budgetMs(stored.input), 2 ** 31 - 1);
  const late = new AbortController();
  const timer = setTimeout(
    () =>
      late.abort(
        new TowpathError('workflow.step_deadline', `${facts.title}: not done within ${budget} ms`, {
          remedy: 'undo',
          hint: 'see the ledger and `towpath logs` for what it was waiting for',
        }),
      ),
    budget,
  );
  const asked = { paused: run.paused, promote: run.promote };
  const watching = watch(run, asked, deaf ? undefined : turn, needs, AbortSignal.any([stop, done.signal]));
  const more: NewStep[] = [];
  let memory = begun.memory;
  let touched = false;
  const context: StepContext = {
    run: run.id,
    signal: AbortSignal.any([stop, late.signal, turn.signal]),
    attempt: begun.attempt,
    age: () => begun.ageMs + (clock.elapsed() - started),
    async effect(name, act) {
      await lease.prove();
      await observer.effect(run, { step: stored.name, effect: name, epoch: lease.fence.epoch });
      const result = await act(lease.fence);
      if (!touched) await crash(stored.name, stored.index, direction, 'inside');
      touched = true;
      return result;
    },
    prove: () => lease.prove(),
    async remember(value) {
      await store.remember(run, stored.index, lease.fence, value);
      memory = value;
    },
    recall: () => memory,
    follow: (steps) => void more.push(...steps),
    asked: () => asked,
  };
  try {
    const proof = await carryOut(kind, direction, stored, context, async () => {
      if (!touched) await crash(stored.name, stored.index, direction, 'inside');
    });
    await crash(stored.name, stored.index, direction, 'after');
    await store.endStep(run, stored.index, lease.fence, direction === 'do' ? 'done' : 'undone', more);
    await observer.stepDone(run, { ...facts, ms: clock.elapsed() - started, proof });
  } catch (error) {
    stop.throwIfAborted();
    if (turn.signal.aborted) throw turn.signal.reason;
    const known = asTowpathError(late.signal.aborted ? late.signal.reason : error);
    await observer.stepFailed(run, { ...facts, ms: clock.elapsed() - started, error: known });
    throw known;
  } finally {
    clearTimeout(timer);
    done.abort();
    await watching;
  }
}

async function carryOut(
  kind: Step<Json>,
  direction: Direction,
  stored: StoredStep,
  context: StepContext,
  acted: () => Promise<void>,
): Promise<string> {
  if (direction === 'do') {
    await kind.do(stored.input, context);
    await acted();
    return await kind.verify(stored.input, context);
  }
  if (kind.undoes !== 'yes') return 'nothing to take back';
  await kind.undo(stored.input, context);
  await acted();
  return await kind.verifyUndone(stored.input, context);
}

/** Keeps `asked` current and turns the step back when an abort was asked. */
async function watch(
  run: StoredRun,
  asked: { paused: boolean; promote: boolean },
  turn: AbortController | undefined,
  needs: DriveNeeds,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const now = await needs.store.run(run.id);
      asked.paused = now?.paused === true;
      asked.promote = now?.promote === true;
      const abort = turn === undefined ? undefined : await needs.store.aborted(run.id);
      if (abort !== undefined) {
        turn?.abort(new Turned(abort.actor, abort.reason));
        return;
      }
      await needs.wake(500, signal);
    } catch {
      // The database is away, or the step has ended: the lease decides about the first.
      if (!signal.aborted) await sleep(500, signal).catch(() => {});
    }
  }
}
