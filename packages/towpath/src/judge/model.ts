import type { SparseHistogram, VerdictKind } from '../kernel/index.ts';

/** What was counted for one release over the window that is judged. */
export interface Arm {
  readonly release: number;
  readonly requests: number;
  readonly failures: number;
  /** Microseconds. */
  readonly latency: SparseHistogram;
}

export interface JudgeInput {
  readonly candidate: Arm;
  /** Undefined when there is no old release, or it gets no traffic any more. */
  readonly baseline: Arm | undefined;
  /** False when the source of the counts could not be read: the verdict is then unmeasurable. */
  readonly measurable: boolean;
  /** Why not. */
  readonly unmeasurableBecause?: string;
}

export interface JudgeRules {
  readonly minRequests: number;
  readonly minFailures: number;
  /** Percentage points. */
  readonly maxFailureIncrease: number;
}

/** A verdict carries what it was made from and says why in a sentence that a person can check. */
export interface Verdict {
  readonly kind: VerdictKind;
  readonly because: string;
  readonly input: JudgeInput;
}

/** Pure: the same input and rules give the same verdict, so a verdict can be replayed. */
export type Judge = (input: JudgeInput, rules: JudgeRules) => Verdict;
