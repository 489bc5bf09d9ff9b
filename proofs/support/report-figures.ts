import type { LedgerEntry } from '../../packages/towpath/src/evidence/index.ts';
import type { ShownFigure } from './browser.ts';

/**
 * Recomputes what a report shows from the ledger, by its own reading of the sources and of the text:
 * none of the report's code is used, or a mistake there would be made twice.
 * @returns a sentence for each figure that does not hold
 */
export function wrongFigures(figures: readonly ShownFigure[], entries: readonly LedgerEntry[]): readonly string[] {
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  return figures.flatMap((figure) => {
    const complaint = complaintAbout(figure, bySeq);
    return complaint === undefined
      ? []
      : [`"${figure.text}" (${figure.ledger.slice(0, 80)}, ${figure.op}): ${complaint}`];
  });
}

function complaintAbout(figure: ShownFigure, bySeq: ReadonlyMap<number, LedgerEntry>): string | undefined {
  const values: unknown[] = [];
  for (const source of figure.ledger.split(' ')) {
    const [, seq, path] = /^(\d+):(.+)$/.exec(source) ?? [];
    const entry = bySeq.get(Number(seq));
    if (entry === undefined || path === undefined) return `there is no row ${source}`;
    const value = path
      .split('.')
      .reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined), entry);
    if (value === undefined) return `row ${seq} has no ${path}`;
    values.push(value);
  }
  if (values.length === 0) return 'it names no source';
  const value = combine(figure.op, values);
  if (value === undefined) return `its sources cannot be combined by ${figure.op}`;
  return agrees(figure, value) ? undefined : `the ledger says ${JSON.stringify(value)}`;
}

function combine(op: string, values: readonly unknown[]): unknown {
  const numbers = values.map(Number);
  const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);
  switch (op) {
    case 'is':
      return values.length === 1 ? values[0] : undefined;
    case 'sum':
      return sum(numbers);
    case 'max':
      return Math.max(...numbers);
    case 'share': {
      const half = numbers.length / 2;
      const whole = sum(numbers.slice(half));
      return whole === 0 ? 0 : (sum(numbers.slice(0, half)) / whole) * 100;
    }
    case 'between':
      return values.length === 2 ? Date.parse(String(values[1])) - Date.parse(String(values[0])) : undefined;
    case 'rows':
      return values.length;
    case 'distinct':
      return new Set(values).size;
    case 'length':
      return Array.isArray(values[0]) ? values[0].length : undefined;
    default:
      return undefined;
  }
}

const UNITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  count: { '': 1 },
  percent: { '%': 1 },
  ms: { ms: 1, s: 1000, min: 60_000, h: 3_600_000 },
  offset: { ms: 1, s: 1000, min: 60_000, h: 3_600_000 },
  us: { µs: 1, ms: 1000, s: 1_000_000 },
};

function agrees({ as, text }: ShownFigure, value: unknown): boolean {
  // A browser shows runs of white space as one.
  const squeeze = (words: string): string => words.replaceAll(/\s+/g, ' ').trim();
  switch (as) {
    case 'text':
      return squeeze(text) === squeeze(String(value));
    case 'short':
      return text.length >= Math.min(12, String(value).length) && String(value).startsWith(text);
    case 'instant':
      return text === `${String(value).slice(0, 10)} ${String(value).slice(11, 19)} UTC`;
    default: {
      const units = UNITS[as];
      return units !== undefined && typeof value === 'number' && within(text, value, units);
    }
  }
}

/** Whether a number as it is written, `4,021` or `2 min 5 s`, is the value to its last digit. */
function within(text: string, value: number, units: Readonly<Record<string, number>>): boolean {
  const negative = text.startsWith('−');
  const parts = [...text.replace(/^[+−]/, '').matchAll(/([\d,]+(?:\.\d+)?)\s*([a-zµ%]*)/gu)];
  if (parts.length === 0) return false;
  let shown = 0;
  let tolerance = 0;
  for (const [, digits = '', unit = ''] of parts) {
    const factor = units[unit];
    if (factor === undefined) return false;
    shown += Number(digits.replaceAll(',', '')) * factor;
    tolerance = (0.5 + 1e-9) * factor * 10 ** -(digits.split('.')[1]?.length ?? 0);
  }
  // What is not 0 must not look like 0: it would hide a failed request.
  if (shown === 0 && Math.abs(value) >= 1 && units['%'] === undefined) return false;
  if (units['%'] !== undefined && (shown === 0) !== (value === 0)) return false;
  return Math.abs((negative ? -shown : shown) - value) <= tolerance;
}
