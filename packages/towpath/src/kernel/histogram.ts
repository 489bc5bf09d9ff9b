/**
 * Mergeable latency histogram: log-linear, 16 sub-buckets an octave, so a bucket is at most 6.25 %
 * wide. Values are microseconds. The idea is that of HdrHistogram; the layout here is
 * index = 16 * octave + sub-bucket, and values under 16 us have a bucket each.
 */
export const HISTOGRAM_BUCKETS = 16 * 32;

/** The bucket of a value in microseconds. */
export function bucketOf(us: number): number {
  if (us < 16) return us < 0 ? 0 : us | 0;
  if (us >= 0x7fffffff) return HISTOGRAM_BUCKETS - 1;
  const octave = 31 - Math.clz32(us | 0) - 4;
  return 16 * (octave + 1) + (((us | 0) >>> octave) & 15);
}

/** The lowest value of a bucket, in microseconds. */
export function bucketFloor(index: number): number {
  if (index < 16) return index;
  const octave = (index >> 4) - 1;
  return (16 + (index & 15)) * 2 ** octave;
}

/** A histogram at rest: bucket index and count, only where the count is not 0. */
export type SparseHistogram = readonly (readonly [bucket: number, count: number])[];

/** Adds up histograms. */
export function mergeHistograms(...parts: readonly SparseHistogram[]): SparseHistogram {
  const sum = new Map<number, number>();
  for (const part of parts) for (const [bucket, count] of part) sum.set(bucket, (sum.get(bucket) ?? 0) + count);
  return [...sum.entries()].filter(([, count]) => count !== 0).sort(([a], [b]) => a - b);
}

/** `later - earlier` of two readings of the same ever-growing histogram. */
export function subtractHistogram(later: SparseHistogram, earlier: SparseHistogram): SparseHistogram {
  return mergeHistograms(
    later,
    earlier.map(([bucket, count]) => [bucket, -count] as const),
  );
}

/**
 * The value below which the share `q` (0..1) of the recorded values lies, in microseconds, as the
 * middle of its bucket; undefined when nothing was recorded.
 */
export function quantile(histogram: SparseHistogram, q: number): number | undefined {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(q * total));
  let seen = 0;
  for (const [bucket, count] of histogram) {
    seen += count;
    if (seen >= rank) return (bucketFloor(bucket) + bucketFloor(bucket + 1)) / 2;
  }
  return undefined;
}
