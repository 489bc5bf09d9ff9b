export { TowpathError, asTowpathError, type ErrorBody, type Remedy } from './errors.ts';
export { Secret } from './secret.ts';
export { parseDuration, formatDuration } from './units.ts';
export { nearest } from './near.ts';
export { canonicalJson, sha256, type Json } from './json.ts';
export {
  HISTOGRAM_BUCKETS,
  bucketOf,
  mergeHistograms,
  subtractHistogram,
  quantile,
  type SparseHistogram,
} from './histogram.ts';
export { scopeKey, type Fence, type GroupKind, type Role, type Scope, type VerdictKind } from './words.ts';
