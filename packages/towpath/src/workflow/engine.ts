import { TowpathError, type Json } from '../kernel/index.ts';
import { sleep, sql, type Clock, type Database, type Log, type Session } from '../system/index.ts';
import type { Crash } from './crash.ts';
import { drive, type Observer } from './drive.ts';
import { takeLease, type Lease } from './lease.ts';
import type { SignalName, Step } from './model.ts';
import { createStore, type NewStep, type StoredRun, type StoredStep } from './store.ts';

export interface WorkflowNeeds {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly holder: string;
  readonly ttlMs: number;
  readonly steps: readonly Step<Json>[];
  readonly observer: Observer;
  readonly crash: Crash;
  /** Once, after a run has ended, again after a crash until it succeeds: the report. */
  readonly close: (run: StoredRun, lease: Lease, signal: AbortSignal) => Promise<void>;
}

/** What the holder of a subject's lease does beside driving runs, until the signal is aborted. */
export type Duty = (lease: Lease, signal: AbortSignal) => Promise<void>;

export interface Operation {
  /** Whether this controller holds the lease now. */
  leads(): boolean;
  /** The epoch it holds now, or held last. */
  epoch(): number;
  readonly ended: Promise<void>;
}

export function createWorkflow(needs: WorkflowNeeds) {
  const store = createStore(needs.database);
  const steps = new Map(needs.steps.map((step) => [step.name, step]));

  /** Holds the subject's lease whenever it can, drives its runs and does its duty, until shutdown. */
  function operate(subject: string, duty: Duty, shutdown: AbortSignal): Operation {
    let leading = false;
    let epoch = 0;
    const reign = async (): Promise<void> => {
      const lease = await takeLease(
        { database: needs.database, clock: needs.clock, key: subject, holder: needs.holder, ttlMs: needs.ttlMs },
        shutdown,
      );
      const over = new AbortController();
      const stop = AbortSignal.any([lease.lost, shutdown, over.signal]);
      const bell = await listen(needs.database, subject, stop);
      try {
        leading = true;
        epoch = lease.fence.epoch;
        needs.log.info('lease.taken', { subject, epoch: lease.fence.epoch });
        await Promise.race([duty(lease, stop), runs(subject, lease, bell, stop)]);
      } finally {
        leading = false;
        over.abort(
          new TowpathError('lease.lost', `the lease on ${subject} is given up`, {
            remedy: 'retry',
            hint: 'nothing to do',
          }),
        );
        await bell.close();
        await lease.release();
      }
    };
    const loop = async (): Promise<void> => {
      while (!shutdown.aborted) {
        try {
          await reign();
        } catch (error) {
          if (shutdown.aborted) return;
          needs.log.warn('reign.ended', { subject, because: error instanceof Error ? error.message : String(error) });
          await sleep(300, shutdown).catch(() => {});
        }
      }
    };
    return { leads: () => leading, epoch: () => epoch, ended: loop() };
  }

  async function runs(subject: string, lease: Lease, bell: Bell, stop: AbortSignal): Promise<void> {
    for (;;) {
      stop.throwIfAborted();
      for (const ended of await store.unclosed(subject)) {
        await needs.close(ended, lease, stop);
        await store.setClosed(ended, lease.fence);
      }
      const run = (await store.active(subject)) ?? (await store.startWaiting(subject, lease.fence));
      if (run === undefined) {
        // Notified when a run arrives; the long look is for a notification lost with a connection.
        await bell.wait(15_000, stop);
        continue;
      }
      await drive(
        run,
        lease,
        { store, steps, observer: needs.observer, clock: needs.clock, crash: needs.crash, wake: bell.wait },
        stop,
      );
    }
  }

  return {
    operate,
    store,
    /** Describes a step to come. */
    describe(step: NewStep): { title: string; undo: string; pointOfNoReturn?: string } {
      const kind = steps.get(step.name);
      if (kind === undefined) return { title: step.name, undo: 'unknown to this version' };
      const title = kind.title(step.input);
      if (kind.undoes === 'yes') return { title, undo: kind.undoTitle };
      if (kind.undoes === 'nothing') return { title, undo: kind.because };
      return { title, undo: 'point of no return', pointOfNoReturn: kind.pointOfNoReturn };
    },
    /** Begins a run; undefined when another is active and `wait` is false. */
    begin: (run: { subject: string; input: Json; actor: string; wait: boolean }, first: readonly NewStep[]) =>
      store.insertRun(run, first),
    /** @throws TowpathError `workflow.committed` when an abort comes after a point of no return */
    async signal(run: StoredRun, signal: { name: SignalName; actor: string; reason: string }): Promise<void> {
      const committing = needs.steps.filter(({ undoes }) => undoes === 'never').map(({ name }) => name);
      if (!(await store.signal(run, signal, committing))) {
        throw new TowpathError('workflow.committed', 'it has passed its point of no return', {
          remedy: 'retry',
          hint: '`towpath rollback` returns to the release before in a rollout of its own',
        });
      }
    },
  };
}

export type Workflow = ReturnType<typeof createWorkflow>;

interface Bell {
  wait(ms: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Waits that end early when the subject is notified. Any number may wait at once. */
async function listen(database: Database, subject: string, stop: AbortSignal): Promise<Bell> {
  const session: Session = await database.session({ name: `towpath bell ${subject}` });
  const waiting = new Set<() => void>();
  session.onNotification((_channel, payload) => {
    if (payload === subject) for (const ring of waiting) ring();
  });
  await session.query(sql`listen towpath_run`);
  return {
    async wait(ms, signal) {
      const woken = new AbortController();
      const ring = (): void => woken.abort();
      waiting.add(ring);
      try {
        await sleep(ms, AbortSignal.any([woken.signal, signal, stop]));
      } catch (error) {
        if (!woken.signal.aborted) throw error;
      } finally {
        waiting.delete(ring);
      }
    },
    close: () => session.close(),
  };
}

export type { StoredRun, StoredStep };
