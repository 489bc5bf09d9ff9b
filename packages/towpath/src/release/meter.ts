import { mergeHistograms, subtractHistogram, type SparseHistogram } from '../kernel/index.ts';
import type { RouterState } from '../router/index.ts';

export interface Counts {
  readonly requests: number;
  readonly failures: number;
  /** Microseconds. */
  readonly latency: SparseHistogram;
}

/** Counts of a run per release, kept across restarts of the router (which begin at 0) and of the controller. */
export interface Meter {
  readonly boot: string;
  /** The router's own counters when last read. */
  readonly last: Readonly<Record<string, Counts>>;
  /** What was counted since the run began to measure. */
  readonly sum: Readonly<Record<string, Counts>>;
}

export const NOTHING: Counts = { requests: 0, failures: 0, latency: [] };

export const addCounts = (a: Counts, b: Counts): Counts => ({
  requests: a.requests + b.requests,
  failures: a.failures + b.failures,
  latency: mergeHistograms(a.latency, b.latency),
});
export const subtractCounts = (a: Counts, b: Counts): Counts => ({
  requests: a.requests - b.requests,
  failures: a.failures - b.failures,
  latency: subtractHistogram(a.latency, b.latency),
});

/** Takes in a reading. The first one only sets the mark: what came before the run is not the run's. */
export function readMeter(meter: Meter | undefined, state: RouterState): Meter {
  const last: Record<string, Counts> = {};
  const sum: Record<string, Counts> = { ...meter?.sum };
  for (const totals of state.totals) {
    const key = String(totals.release);
    const now: Counts = { requests: totals.requests, failures: totals.failures, latency: totals.latency };
    last[key] = now;
    if (meter === undefined) continue;
    const before = meter.boot === state.boot ? (meter.last[key] ?? NOTHING) : NOTHING;
    sum[key] = addCounts(sum[key] ?? NOTHING, subtractCounts(now, before));
  }
  return { boot: state.boot, last, sum };
}

export const countsOf = (meter: Meter | undefined, release: number): Counts => meter?.sum[String(release)] ?? NOTHING;
