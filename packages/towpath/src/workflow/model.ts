import type { Fence, Json } from '../kernel/index.ts';

/** Why a run was asked to change course. */
export type SignalName = 'abort' | 'pause' | 'resume' | 'promote';

export interface Signal {
  readonly name: SignalName;
  readonly actor: string;
  readonly reason: string;
}

/** What a step is given while it works. */
export interface StepContext {
  readonly run: number;
  /** Aborted on a lost lease, on `abort` (only in do), at the step's deadline and at shutdown. */
  readonly signal: AbortSignal;
  /** How often this step was begun before, counting crashes. */
  readonly attempt: number;
  /**
   * Milliseconds since this step was first begun, across crashes. It grows by the clock that never
   * jumps: a wall clock that is set back or forth neither stretches nor ends a wait.
   */
  age(): number;
  /**
   * Does one thing to the world: proves that the lease is still held, records what is about to be
   * done, does it. All of a step's mutations go through here, which is also where crash tests kill.
   */
  effect<T>(name: string, act: (fence: Fence) => Promise<T>): Promise<T>;
  /** Rejects when the lease is not held any more; for long effects, before each commit of theirs. */
  prove(): Promise<void>;
  /** Durable scratch value of this step, readable after a crash. */
  remember(value: Json): Promise<void>;
  recall(): Json;
  /** Says what comes after this step; takes effect when it is done. Only the last step may. */
  follow(steps: readonly { readonly name: string; readonly input: Json }[]): void;
  /** `pause` and `promote` as they stand now. */
  asked(): { readonly paused: boolean; readonly promote: boolean };
}

interface StepBase<In> {
  readonly name: string;
  /** For people: what this will do, from its input. */
  title(input: In): string;
  /** Milliseconds for do; undo gets the same. */
  readonly budgetMs: (input: In) => number;
  /** Safe to repeat: observes first, closes the gap. Returns one sentence for the record. */
  do(input: In, context: StepContext): Promise<void>;
  /** Looks at the world, never at what do returned. @returns the proof in one sentence; throws when it does not hold */
  verify(input: In, context: StepContext): Promise<string>;
}

/** A step says how it is proved and how it is undone, or states in words why there is no undo. */
export type Step<In = unknown> = StepBase<In> &
  (
    | {
        readonly undoes: 'yes';
        /** For people: what undo does. */
        readonly undoTitle: string;
        /** Undo goes from the lowest to the highest rank, then backwards: traffic first, instances last. */
        readonly undoRank: number;
        /** May run after a crash inside do, or when do was never begun; safe to repeat. */
        undo(input: In, context: StepContext): Promise<void>;
        /** Looks at the world after undo. */
        verifyUndone(input: In, context: StepContext): Promise<string>;
      }
    /** Nothing has to be taken back, and why. */
    | { readonly undoes: 'nothing'; readonly because: string }
    /** It cannot be taken back, and what that means. Once begun, the run only goes forward. */
    | { readonly undoes: 'never'; readonly pointOfNoReturn: string }
  );

export type RunStatus = 'running' | 'undoing' | 'done' | 'undone' | 'failed';
