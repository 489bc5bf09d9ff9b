import { KINDS, type Kind, type Mix } from './model.ts';

/**
 * Deals the kinds out so that every stretch of traffic holds them in the same shares (smooth weighted
 * round robin); no randomness, so two runs send the same.
 * @throws Error when no kind has a share
 */
export function dealer(mix: Mix): () => Kind {
  const shares = KINDS.map((kind) => ({ kind, share: mix[kind] ?? 0, credit: 0 })).filter(({ share }) => share > 0);
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  return () => {
    let next = shares[0];
    for (const candidate of shares) {
      candidate.credit += candidate.share;
      if (next === undefined || candidate.credit > next.credit) next = candidate;
    }
    if (next === undefined) throw new Error('the mix names no kind of traffic with a share above 0');
    next.credit -= total;
    return next.kind;
  };
}
