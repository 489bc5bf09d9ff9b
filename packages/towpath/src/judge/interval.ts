/** Standard normal quantile of 0.99: the one-sided 99 % level. */
export const Z99 = 2.3263478740408408;

export interface Share {
  readonly hits: number;
  readonly total: number;
}

export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/**
 * Wilson score interval of a share, without continuity correction.
 * E. B. Wilson, JASA 22 (1927) 209-212; eq. 2 of R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872.
 */
export function wilson({ hits, total }: Share, z: number = Z99): Interval {
  if (total === 0) return { lower: 0, upper: 1 };
  const p = hits / total;
  const centre = 2 * total * p + z * z;
  const spread = z * Math.sqrt(z * z + 4 * total * p * (1 - p));
  const scale = 2 * (total + z * z);
  return { lower: Math.max(0, (centre - spread) / scale), upper: Math.min(1, (centre + spread) / scale) };
}

/**
 * Interval of the difference `a - b` of two independent shares: method 10 (hybrid score) of
 * R. G. Newcombe, Interval estimation for the difference between independent proportions,
 * Statistics in Medicine 17 (1998) 873-890. With z = 1.96 it gives that paper's 95 % figures.
 */
export function differenceInterval(a: Share, b: Share, z: number = Z99): Interval {
  const pa = a.total === 0 ? 0 : a.hits / a.total;
  const pb = b.total === 0 ? 0 : b.hits / b.total;
  const wa = wilson(a, z);
  const wb = wilson(b, z);
  return {
    lower: pa - pb - Math.hypot(pa - wa.lower, wb.upper - pb),
    upper: pa - pb + Math.hypot(wa.upper - pa, pb - wb.lower),
  };
}
