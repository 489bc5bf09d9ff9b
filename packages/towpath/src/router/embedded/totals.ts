import { HISTOGRAM_BUCKETS, bucketOf, type SparseHistogram } from '../../kernel/index.ts';
import type { ReleaseTotals } from '../contract.ts';

type Outcome = keyof ReleaseTotals['byStatus'];
const OUTCOMES: readonly Outcome[] = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx'];

/** Ever-growing counters of one release; typed arrays, so that recording allocates nothing. */
export interface Totals {
  readonly byOutcome: Float64Array;
  readonly latency: Float64Array;
  failures: number;
}

export const createTotals = (): Totals => ({
  byOutcome: new Float64Array(OUTCOMES.length),
  latency: new Float64Array(HISTOGRAM_BUCKETS),
  failures: 0,
});

/** @param status 0 when no whole answer was given (aborted); @param ms undefined to leave latency alone */
export function record(totals: Totals, status: number, failed: boolean, ms: number | undefined): void {
  const outcome = status === 0 ? 0 : (status / 100) | 0;
  totals.byOutcome[outcome] = (totals.byOutcome[outcome] ?? 0) + 1;
  if (failed) totals.failures++;
  if (ms !== undefined) {
    const bucket = bucketOf(ms * 1000);
    totals.latency[bucket] = (totals.latency[bucket] ?? 0) + 1;
  }
}

export function readTotals(release: number, totals: Totals): ReleaseTotals {
  const latency: [number, number][] = [];
  totals.latency.forEach((count, bucket) => {
    if (count > 0) latency.push([bucket, count]);
  });
  const of = (outcome: Outcome): number => totals.byOutcome[OUTCOMES.indexOf(outcome)] ?? 0;
  const sparse: SparseHistogram = latency;
  return {
    release,
    requests: totals.byOutcome.reduce((sum, count) => sum + count, 0),
    failures: totals.failures,
    byStatus: {
      '1xx': of('1xx'),
      '2xx': of('2xx'),
      '3xx': of('3xx'),
      '4xx': of('4xx'),
      '5xx': of('5xx'),
      aborted: of('aborted'),
    },
    latency: sparse,
  };
}
