import { mark, type Line, type Mark, type Table, type Tone } from './document.ts';
import {
  count,
  latency,
  offset,
  percentage,
  ref,
  share,
  showMicroseconds,
  showPercent,
  text,
  valueAt,
  type Figure,
  type Ref,
} from './figures.ts';
import { ofRelease, type EntryOf, type Story } from './story.ts';

export interface Point {
  /** Milliseconds from the beginning. */
  readonly t: number;
  /** Undefined where nothing was measured: the line has a gap there. */
  readonly value: number | undefined;
}

export interface Series {
  readonly label: string;
  /** The new release is drawn solid with dots, the old one dashed with squares. */
  readonly role: 'new' | 'old';
  readonly points: readonly Point[];
}

export interface Chart {
  readonly kind: 'chart';
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly form: 'line' | 'stacked';
  readonly series: readonly Series[];
  readonly marks: readonly { readonly t: number; readonly mark: Mark }[];
  readonly domain: { readonly t: number; readonly value: number };
  readonly show: (value: number) => string;
  readonly table: Table;
}

export const VERDICT_TONE = {
  healthy: 'good',
  regressed: 'bad',
  insufficient: 'idle',
  unmeasurable: 'warn',
} as const satisfies Record<EntryOf<'verdict'>['body']['verdict'], Tone>;

/** More windows than this are drawn and listed together, several to a point. */
const MOST_POINTS = 120;

/** All charts of a rollout, over the same time. Empty when no traffic was seen. */
export function chartsOf(story: Story): readonly Chart[] {
  const releases = [story.to, story.from].filter((release) => release !== null);
  if (releases.length === 0) return [];
  const end = Math.max(1000, since(story, story.last));
  const marks = story.of('verdict').map((entry) => ({
    t: since(story, entry),
    mark: mark(VERDICT_TONE[entry.body.verdict], entry.body.verdict),
  }));
  const shared = { story, releases, end, marks };
  const windows = binned(story.of('traffic.sampled'));
  const lines =
    windows.length === 0
      ? []
      : [errorChart(shared, windows), latencyChart(shared, windows, 'p50'), latencyChart(shared, windows, 'p99')];
  const shares = shareChart(shared);
  return shares === undefined ? lines : [shares, ...lines];
}

interface Shared {
  readonly story: Story;
  readonly releases: readonly number[];
  readonly end: number;
  readonly marks: Chart['marks'];
}

/** Some samples that follow each other, as one. */
type Window = readonly [EntryOf<'traffic.sampled'>, ...EntryOf<'traffic.sampled'>[]];

function binned(samples: readonly EntryOf<'traffic.sampled'>[]): readonly Window[] {
  const size = Math.ceil(samples.length / MOST_POINTS);
  return samples.flatMap((first, i): Window[] => (i % size === 0 ? [[first, ...samples.slice(i + 1, i + size)]] : []));
}

const since = (story: Story, entry: { readonly at: string }): number =>
  Date.parse(entry.at) - Date.parse(story.begin.at);
const name = (story: Story, release: number): string =>
  `Release ${release}${release === story.to ? ' (new)' : ' (old)'}`;
/** The same with its source in the ledger. */
const heading = (story: Story, release: number): Line => {
  const which = release === story.to ? 'to' : 'from';
  return ['Release ', text(ref(story.subject ?? story.begin, `body.${which}`)), which === 'to' ? ' (new)' : ' (old)'];
};
const role = (story: Story, release: number): Series['role'] => (release === story.to ? 'new' : 'old');
const numberOf = (at: Ref | undefined): number | undefined => {
  const value = at === undefined ? undefined : valueAt(at);
  return typeof value === 'number' ? value : undefined;
};

function shareChart({ story, releases, end, marks }: Shared): Chart | undefined {
  const shifts = story.of('traffic.shifted');
  // What held before the first shift is only known from a sample.
  const before = story.of('traffic.sampled').find((sample) => sample.seq < (shifts[0]?.seq ?? Infinity));
  const changes = before === undefined ? shifts : [before, ...shifts];
  if (changes.length === 0) return undefined;
  const weightOf = (entry: (typeof changes)[number], release: number): Ref | undefined =>
    ofRelease(entry, 'weights', release, 'weight');
  return {
    kind: 'chart',
    name: 'share',
    title: 'Share of the traffic',
    description: `How the router split the requests among ${releases.map((release) => name(story, release)).join(' and ')}, ${changes.length} settings.`,
    form: 'stacked',
    series: releases.map((release) => ({
      label: name(story, release),
      role: role(story, release),
      points: changes.map((entry) => ({ t: since(story, entry), value: numberOf(weightOf(entry, release)) ?? 0 })),
    })),
    marks,
    domain: { t: end, value: 100 },
    show: showPercent,
    table: {
      kind: 'table',
      caption: 'Share of the traffic',
      columns: [
        { title: ['When'] },
        ...releases.map((release) => ({ title: heading(story, release), numeric: true })),
        { title: ['Because'] },
      ],
      rows: changes.map((entry) => [
        [offset(ref(story.begin, 'at'), ref(entry, 'at'))],
        ...releases.map((release): Line => cell(weightOf(entry, release), percentage, 'none')),
        [entry.kind === 'traffic.shifted' ? text(ref(entry, 'body.because')) : 'as found'],
      ]),
    },
  };
}

const cell = (at: Ref | undefined, show: (at: Ref) => Figure, otherwise: string): Line =>
  at === undefined ? [otherwise] : [show(at)];

const refsOf = (window: Window, release: number, member: string): readonly Ref[] =>
  window.flatMap((sample) => ofRelease(sample, 'releases', release, member) ?? []);

const total = (refs: readonly Ref[]): number => refs.reduce((all, at) => all + (numberOf(at) ?? 0), 0);

function errorChart({ story, releases, end, marks }: Shared, windows: readonly Window[]): Chart {
  const value = (window: Window, release: number): number | undefined => {
    const requests = total(refsOf(window, release, 'requests'));
    return requests === 0 ? undefined : (100 * total(refsOf(window, release, 'failures'))) / requests;
  };
  const series = linesOf(story, releases, windows, value);
  return {
    kind: 'chart',
    name: 'errors',
    title: 'Failed requests',
    description: `${describe(series, showPercent)} ${marksIn(story)}`,
    form: 'line',
    series,
    marks,
    domain: { t: end, value: niceTop(Math.max(1, highest(series))) },
    show: showPercent,
    table: {
      kind: 'table',
      caption: 'Failed requests by window',
      columns: [
        { title: ['Until'] },
        ...releases.flatMap((release) => [
          { title: [...heading(story, release), ': failed of requests'], numeric: true },
          { title: ['share'], numeric: true },
        ]),
      ],
      rows: windows.map((window) => [
        [offset(ref(story.begin, 'at'), ref(window.at(-1) ?? window[0], 'at'))],
        ...releases.flatMap((release): Line[] => {
          const requests = refsOf(window, release, 'requests');
          const failures = refsOf(window, release, 'failures');
          if (total(requests) === 0) return [['no requests'], ['–']];
          return [[count(...failures), ' of ', count(...requests)], [share(failures, requests)]];
        }),
      ]),
    },
  };
}

function latencyChart(
  { story, releases, end, marks }: Shared,
  windows: readonly Window[],
  quantile: 'p50' | 'p99',
): Chart {
  const member = `${quantile}Us`;
  const series = linesOf(story, releases, windows, (window, release) => {
    const values = refsOf(window, release, member).flatMap((at) => numberOf(at) ?? []);
    return values.length === 0 ? undefined : Math.max(...values);
  });
  const half = quantile === 'p50' ? 'Half of the requests were' : '99 of 100 requests were';
  return {
    kind: 'chart',
    name: quantile,
    title: `Latency ${quantile}`,
    description: `${half} answered within this time. ${describe(series, showMicroseconds)}`,
    form: 'line',
    series,
    marks,
    domain: { t: end, value: niceTop(Math.max(1000, highest(series))) },
    show: showMicroseconds,
    table: {
      kind: 'table',
      caption: `Latency ${quantile} by window`,
      columns: [
        { title: ['Until'] },
        ...releases.map((release) => ({ title: heading(story, release), numeric: true })),
      ],
      rows: windows.map((window) => [
        [offset(ref(story.begin, 'at'), ref(window.at(-1) ?? window[0], 'at'))],
        ...releases.map((release): Line => [latency(...refsOf(window, release, member)) ?? 'no requests']),
      ]),
    },
  };
}

function linesOf(
  story: Story,
  releases: readonly number[],
  windows: readonly Window[],
  value: (window: Window, release: number) => number | undefined,
): readonly Series[] {
  return releases.map((release) => ({
    label: name(story, release),
    role: role(story, release),
    points: windows.map((window) => ({ t: since(story, window.at(-1) ?? window[0]), value: value(window, release) })),
  }));
}

const highest = (series: readonly Series[]): number =>
  series.reduce((most, { points }) => points.reduce((more, { value }) => Math.max(more, value ?? 0), most), 0);

function describe(series: readonly Series[], show: (value: number) => string): string {
  return series
    .map(({ label, points }) => {
      const known = points.flatMap(({ value }) => value ?? []);
      if (known.length === 0) return `${label}: no requests.`;
      const [least, most] = [show(Math.min(...known)), show(Math.max(...known))];
      return least === most ? `${label}: ${least} throughout.` : `${label}: ${least} to ${most}.`;
    })
    .join(' ');
}

const marksIn = (story: Story): string => {
  const kinds = story.of('verdict').map((entry) => `${entry.body.verdict} at ${entry.body.stage}`);
  return kinds.length === 0 ? '' : `Verdicts: ${kinds.slice(0, 12).join(', ')}.`;
};

/** The next of 1, 2, 5 times a power of ten: an axis ends on a number that can be read. */
export function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const times = [1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) ?? 10;
  return times * power;
}
