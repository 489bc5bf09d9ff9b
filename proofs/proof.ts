/** One figure and what it must be. */
export interface Bound {
  /** Names an entry of the figures that `run` returns. */
  readonly figure: string;
  readonly is: 'at most' | 'at least' | 'exactly';
  readonly limit: number;
  /** `requests`, `ms`, `MB`; '' for a plain ratio. */
  readonly unit: string;
  /** A benchmark figure or an amount of work: the quick form shows it and does not hold it against the limit. */
  readonly fullOnly?: true;
}

export interface ProofContext {
  /** A shorter run with the same bounds, as in `npm test`. */
  readonly quick: boolean;
  /** Aborted at the proof's deadline and on Ctrl-C. End what you started, then reject. */
  readonly signal: AbortSignal;
  /** Progress, to stderr. */
  log(line: string): void;
  /** Makes a fresh folder; it is removed after the run unless the proof failed. */
  temporary(): Promise<string>;
}

export interface ProofOutcome {
  /** Every bound's figure must be here; others are shown without a bound. */
  readonly figures: Readonly<Record<string, number>>;
  readonly notes?: readonly string[];
}

/**
 * A promise of the product that a machine can check. `proofs/<name>.proof.ts` exports one as `proof`.
 * What is worth a promise has a bound; a proof without bounds is refused.
 */
export interface Proof {
  /** As in its file name. */
  readonly name: string;
  /** One sentence, for docs/proofs.md. */
  readonly promise: string;
  readonly bounds: readonly [Bound, ...Bound[]];
  /** Whether `npm test` runs its quick form. */
  readonly quick: boolean;
  /** Deadlines; a run that takes longer has failed. */
  readonly minutes: { readonly quick?: number; readonly full: number };
  run(context: ProofContext): Promise<ProofOutcome>;
}

/** One figure held against its bound. `value` is undefined when the proof did not report it. */
export interface Judged extends Bound {
  readonly value: number | undefined;
  readonly ok: boolean;
}

/** Holds figures against the bounds of the form that ran; a figure that is missing or not a number has failed. */
export function judge(
  bounds: readonly Bound[],
  figures: Readonly<Record<string, number>>,
  quick = false,
): readonly Judged[] {
  return bounds
    .filter(({ fullOnly }) => !(quick && fullOnly))
    .map((bound) => {
      const value = figures[bound.figure];
      return { ...bound, value, ok: value !== undefined && meets(value, bound) };
    });
}

function meets(value: number, bound: Bound): boolean {
  if (!Number.isFinite(value)) return false;
  switch (bound.is) {
    case 'at most':
      return value <= bound.limit;
    case 'at least':
      return value >= bound.limit;
    case 'exactly':
      return value === bound.limit;
  }
}
