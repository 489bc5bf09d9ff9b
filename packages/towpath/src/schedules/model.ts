import type { Scope } from '../kernel/index.ts';
import type { Clock, Database } from '../system/index.ts';

/** A cron group of the release whose turn it is. Times in milliseconds. */
export interface CronGroupNow {
  readonly group: string;
  readonly schedule: string;
  readonly timeoutMs: number;
  /** How often one tick is run again after a failed run; a run ended from outside is no failed one. */
  readonly retries: number;
  readonly catchUpMs: number;
}

/** Whose groups fire. */
export interface Generation {
  readonly release: number;
  readonly groups: readonly CronGroupNow[];
}

/** One run of one tick. */
export interface TickRun {
  /** Names the instance, unique among all that ever were; the same again after a crash. */
  readonly token: string;
  readonly group: string;
  /** ms since the epoch */
  readonly tick: number;
  /** The same for every attempt at one tick: an app can use it as an idempotency key. */
  readonly tickId: string;
  readonly attempt: number;
  readonly release: number;
}

/**
 * `gone`: nobody knows an instance of that token (any more). `killed`: somebody else ended it, with a
 * signal that a process cannot send itself by failing.
 */
export type RunState = 'running' | { readonly exit: number } | 'killed' | 'gone';

export interface TickEvent {
  readonly group: string;
  /** ISO 8601 */
  readonly at: string;
  readonly release: number;
  readonly event: 'claimed' | 'done' | 'failed' | 'skipped';
  readonly attempt: number;
  readonly because: string;
}

export interface ScheduleNeeds {
  readonly scope: Scope;
  readonly database: Database;
  readonly clock: Clock;
  /** Starts an instance of this token unless there is one already. */
  readonly start: (run: TickRun, epoch: number, signal: AbortSignal) => Promise<void>;
  readonly observe: (token: string, signal: AbortSignal) => Promise<RunState>;
  /** Resolves when it has ended; unknown tokens succeed. */
  readonly stop: (token: string, epoch: number, signal: AbortSignal) => Promise<void>;
  /**
   * The run's end has been written down, so its instance may be forgotten; unknown tokens succeed.
   * Whoever forgets an ended instance before this makes a crash in between run the tick again.
   */
  readonly forget: (token: string, epoch: number, signal: AbortSignal) => Promise<void>;
  /** Rejects with `lease.fenced` when this controller may not act any more. */
  readonly fenceCheck: () => Promise<void>;
  readonly record: (event: TickEvent) => Promise<void>;
  /** Something went wrong that is tried again by itself. */
  readonly onError: (error: unknown) => void;
  /** `gone` is not believed about a run younger than this: lists may lag behind creation. 0 by default. */
  readonly listLagMs?: number;
  /** Between two looks at a run; 500 by default. */
  readonly pollMs?: number;
  /** Before the second attempt, doubled for each further one; 1000 by default. */
  readonly retryDelayMs?: number;
}

export interface Schedules {
  /**
   * Fires due ticks until the signal is aborted; runs in hand go on then, and the next `run` adopts
   * them. `current` is read at every tick; undefined pauses: missed ticks are caught up with later.
   * @throws the error of `fenceCheck`, and `lease.fenced` when a newer controller has taken a tick
   */
  run(current: () => Promise<Generation | undefined>, epoch: number, signal: AbortSignal): Promise<void>;
  /** The answer of `current` has changed. New ticks go to it; runs in hand finish where they are. */
  changed(): void;
  /** Runs of a release that were started and have not ended. */
  inHand(release: number): Promise<readonly TickRun[]>;
}
