import type { Chart } from './chart.ts';
import type { Figure } from './figures.ts';

/** What a report is made of, before it is HTML or Markdown: both say the same. */
export type Tone = 'good' | 'bad' | 'warn' | 'idle';

/** A word with a sign of its own, so that colour is never all there is. */
export interface Mark {
  readonly kind: 'mark';
  readonly tone: Tone;
  readonly text: string | Figure;
}
export interface Code {
  readonly kind: 'code';
  readonly text: string;
}
/** Words or a number from whoever asked for the report, not from the ledger. */
export interface Told {
  readonly kind: 'told';
  readonly text: string;
}
/** A plain string is our own words, and holds no figure. */
export type Inline = string | Figure | Mark | Code | Told;
export type Line = readonly Inline[];

export interface Table {
  readonly kind: 'table';
  readonly caption: string;
  readonly columns: readonly { readonly title: Line; readonly numeric?: boolean }[];
  /** The first cell is the row's header. */
  readonly rows: readonly (readonly Line[])[];
}

export interface StepItem {
  readonly mark: Mark;
  readonly title: Inline;
  readonly took: Figure | undefined;
  readonly notes: readonly { readonly term: string; readonly line: Line }[];
}

export type Block =
  | { readonly kind: 'text'; readonly line: Line }
  | { readonly kind: 'list'; readonly items: readonly Line[]; readonly ordered?: boolean }
  | { readonly kind: 'facts'; readonly facts: readonly { readonly term: string; readonly line: Line }[] }
  | { readonly kind: 'steps'; readonly items: readonly StepItem[] }
  | { readonly kind: 'timeline'; readonly items: readonly { readonly at: Figure; readonly line: Line }[] }
  | {
      readonly kind: 'problem';
      readonly title: Line;
      readonly notes: readonly { readonly term: string; readonly line: Line }[];
    }
  | { readonly kind: 'charts'; readonly charts: readonly Chart[] }
  | { readonly kind: 'details'; readonly summary: Line; readonly blocks: readonly Block[] }
  | { readonly kind: 'heading'; readonly text: string }
  | Table;

export interface Section {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

/** What stands above the sections. */
export interface Head {
  /** Small, above the headline: what this is about. */
  readonly over: Line;
  readonly tone: Tone;
  readonly outcome: string;
  /** One line that a person understands. */
  readonly headline: Line;
  readonly tiles: readonly { readonly term: string; readonly line: Line; readonly note?: Line }[];
}

export const mark = (tone: Tone, words: string | Figure): Mark => ({ kind: 'mark', tone, text: words });
export const told = (words: string): Told => ({ kind: 'told', text: words });
export const code = (words: string): Code => ({ kind: 'code', text: words });

export const SIGN: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', warn: '!', idle: '○' };

/** Lines joined by a text in between. */
export function joined(lines: readonly Line[], between: string): Line {
  return lines.flatMap((line, i) => (i === 0 ? [...line] : [between, ...line]));
}
