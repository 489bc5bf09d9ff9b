import type { LedgerEntry } from '../model.ts';

/**
 * A value of the report that can be looked up in the ledger. It is made from rows, never from numbers,
 * so that what is shown and what is named as its source cannot differ.
 */
export interface Figure {
  readonly kind: 'figure';
  readonly text: string;
  readonly from: readonly Source[];
  readonly op: Op;
  readonly as: Format;
}

/** One member of one row: `body.releases.0.requests` of row 12. */
export interface Source {
  readonly seq: number;
  readonly path: string;
}

/**
 * How a figure comes from its sources. `share`: sum of the first half over the sum of the second half.
 * `between`: from the first time to the second. `rows`: how many sources there are; `distinct`: how many
 * different values they have. `length`: of the list at the source.
 */
export type Op = 'is' | 'sum' | 'max' | 'share' | 'between' | 'rows' | 'distinct' | 'length';
export type Format = 'text' | 'short' | 'instant' | 'count' | 'percent' | 'ms' | 'offset' | 'us';

/** A source together with its row, before it is read. */
export interface Ref {
  readonly entry: LedgerEntry;
  readonly path: string;
}

export const ref = (entry: LedgerEntry, path: string): Ref => ({ entry, path });

/** What stands at a path; undefined when there is nothing. */
export function valueAt({ entry, path }: Ref): unknown {
  let value: unknown = entry;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

const numberAt = (at: Ref): number => {
  const value = valueAt(at);
  return typeof value === 'number' ? value : 0;
};
const timeAt = (at: Ref): number => Date.parse(wordsAt(at));

function figure(text: string, from: readonly Ref[], as: Format, op: Op = 'is'): Figure {
  return { kind: 'figure', text, as, op, from: from.map(({ entry, path }) => ({ seq: entry.seq, path })) };
}

const sum = (from: readonly Ref[]): number => from.reduce((total, at) => total + numberAt(at), 0);

/** What stands there as text; only ever asked of texts and numbers. */
function wordsAt(at: Ref): string {
  const value = valueAt(at);
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

export const text = (at: Ref): Figure => figure(wordsAt(at), [at], 'text');
/** The first twelve characters of a hash. */
export const short = (at: Ref): Figure => figure(shortHash(wordsAt(at)), [at], 'short');
export const instant = (at: Ref): Figure => figure(showInstant(timeAt(at)), [at], 'instant');
export const count = (...from: readonly Ref[]): Figure =>
  figure(showCount(sum(from)), from, 'count', from.length === 1 ? 'is' : 'sum');
export const rows = (entries: readonly LedgerEntry[]): Figure =>
  figure(
    showCount(entries.length),
    entries.map((entry) => ref(entry, 'seq')),
    'count',
    'rows',
  );
/** How many different values stand at some places. */
export const distinct = (from: readonly Ref[]): Figure =>
  figure(showCount(new Set(from.map(valueAt)).size), from, 'count', 'distinct');
/** How many items a list has. */
export const length = (at: Ref): Figure => {
  const list = valueAt(at);
  return figure(showCount(Array.isArray(list) ? list.length : 0), [at], 'count', 'length');
};
export const percentage = (at: Ref): Figure => figure(showPercent(numberAt(at)), [at], 'percent');
/** A share of counts. */
export const share = (parts: readonly Ref[], wholes: readonly Ref[]): Figure => {
  const whole = sum(wholes);
  return figure(showPercent(whole === 0 ? 0 : (100 * sum(parts)) / whole), [...parts, ...wholes], 'percent', 'share');
};
export const duration = (at: Ref): Figure => figure(showDuration(numberAt(at)), [at], 'ms');
export const between = (from: Ref, to: Ref): Figure =>
  figure(showDuration(timeAt(to) - timeAt(from)), [from, to], 'ms', 'between');
/** When, counted from a beginning: `+4.1 s`. */
export const offset = (from: Ref, to: Ref): Figure =>
  figure(showOffset(timeAt(to) - timeAt(from)), [from, to], 'offset', 'between');
/** The highest of some latencies in microseconds; undefined when none was recorded. */
export const latency = (...from: readonly Ref[]): Figure | undefined => {
  const known = from.filter((at) => typeof valueAt(at) === 'number');
  if (known.length === 0) return undefined;
  return figure(showMicroseconds(Math.max(...known.map(numberAt))), known, 'us', known.length === 1 ? 'is' : 'max');
};

export const shortHash = (hash: string): string => (hash.length > 16 ? hash.slice(0, 12) : hash);

/** `4,021` */
export function showCount(value: number): string {
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 }).format(value);
}

/** `6.6 %`; what is not 0 is never shown as 0. @param value 0 to 100 */
export function showPercent(value: number): string {
  if (value === 0 || Number.isInteger(value)) return `${value} %`;
  const digits = Math.abs(value) >= 0.1 ? 1 : Math.min(6, Math.ceil(-Math.log10(Math.abs(value))));
  return `${value.toFixed(digits)} %`;
}

/** `180 ms`, `4.1 s`, `2 min 5 s`, `1 h 4 min` */
export function showDuration(ms: number): string {
  if (ms < 0) return `−${showDuration(-ms)}`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const showOffset = (ms: number): string => (ms < 0 ? showDuration(ms) : `+${showDuration(ms)}`);

/** `850 µs`, `12.4 ms`, `1.25 s` */
export function showMicroseconds(us: number): string {
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${(us / 1000).toFixed(us < 99_950 ? 1 : 0)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}

/** `2026-01-31 14:03:22 UTC` */
export const showInstant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
