import type { LedgerEntry } from '../model.ts';
import { mark, told, type Head, type Line, type Section, type Table } from './document.ts';
import { escapeHtml, escapeMarkdown } from './escape.ts';
import { showCount, showDuration } from './figures.ts';
import { headOf } from './headline.ts';
import { blockHtml, headHtml, pageHtml, sectionsHtml, toldHtml } from './html.ts';
import { blockMarkdown, headMarkdown, sectionsMarkdown } from './markdown.ts';
import { sectionsOf } from './sections.ts';
import { storyOf } from './story.ts';

export interface Rendered {
  readonly markdown: string;
  readonly html: string;
}

export interface ReportAbout {
  /** How the reader checks the ledger; `towpath evidence verify` when not given. */
  readonly command?: string;
}

const VERIFY = 'towpath evidence verify';

/**
 * The report of one rollout. Pure: the same rows give the same bytes.
 * @param entries the rollout's rows and those that made its releases (`Ledger.story`)
 */
export function renderReport(entries: readonly LedgerEntry[], about: ReportAbout = {}): Rendered {
  const { head, sections, title } = partOf(entries, about);
  return {
    html: pageHtml(
      title,
      headHtml(head, { level: 1, id: 'head' }),
      sectionsHtml(sections, { level: 2, id: 's' }),
      footerHtml(about),
    ),
    markdown: `${headMarkdown(head, 1)}\n${sectionsMarkdown(sections, 2)}`,
  };
}

interface Part {
  readonly title: string;
  readonly head: Head;
  readonly sections: readonly Section[];
}

function partOf(entries: readonly LedgerEntry[], about: ReportAbout): Part {
  const story = storyOf(entries);
  if (story === undefined) {
    const head: Head = {
      over: ['Rollout'],
      tone: 'warn',
      outcome: 'Nothing recorded',
      headline: ['The ledger has no rows of this rollout'],
      tiles: [],
    };
    return { title: 'Nothing recorded', head, sections: [] };
  }
  const head = headOf(story);
  const scope = story.begin.scope;
  const what = `${head.outcome}: release ${story.to ?? '?'}`;
  return {
    title: scope === null ? what : `${what} of ${scope.app} in ${scope.environment}`,
    head,
    sections: sectionsOf(story, about.command ?? VERIFY),
  };
}

const footerHtml = (about: ReportAbout): string =>
  `<p>Rendered by Towpath from its evidence ledger. Check the ledger: <code>${escapeHtml(about.command ?? VERIFY)}</code></p>`;

/** A measured figure of a proof, held against its bound. It does not stand in the ledger, so it names its source. */
export interface ReportFigure {
  readonly label: string;
  readonly value: number;
  /** `requests`, `ms`; '' for none. Milliseconds are shown as durations. */
  readonly unit: string;
  /** Undefined when it is only told. */
  readonly bound?: { readonly is: 'at most' | 'at least' | 'exactly'; readonly limit: number };
  readonly ok: boolean;
  /** Who measured it, and how. */
  readonly source: string;
}

export interface ReportGroup {
  readonly title: string;
  /** What had to be shown, in a sentence. */
  readonly promise: string;
  /** Of one rollout; empty when there was none. */
  readonly entries: readonly LedgerEntry[];
  readonly figures: readonly ReportFigure[];
}

export interface ReportsAbout extends ReportAbout {
  readonly title: string;
  /** Shown below the title; the totals of a rehearsal, its machine. */
  readonly note?: string;
}

/** Several rollouts on one page: first all figures with their bounds, then each rollout's report. */
export function renderReports(groups: readonly ReportGroup[], about: ReportsAbout): Rendered {
  const figures = groups.flatMap((group) => group.figures.map((figure) => ({ group, figure })));
  const broken = figures.filter(({ figure }) => !figure.ok);
  const [first] = broken;
  const verdict =
    first === undefined
      ? `All ${figures.length} promises were kept`
      : `${broken.length} of ${figures.length} promises ${broken.length === 1 ? 'was' : 'were'} broken: ${first.figure.label} (${first.group.title})`;
  const tone = first === undefined ? 'good' : 'bad';
  const summary: Table = {
    kind: 'table',
    caption: 'What was promised, and what was measured',
    columns: [
      { title: ['Promise'] },
      { title: ['Result'] },
      { title: ['Measured'], numeric: true },
      { title: ['Bound'], numeric: true },
      { title: ['In'] },
      { title: ['Measured by'] },
    ],
    rows: figures.map(({ group, figure }): readonly Line[] => [
      [told(figure.label)],
      [figure.ok ? mark('good', 'kept') : mark('bad', 'broken')],
      [told(showMeasured(figure.value, figure.unit))],
      [figure.bound === undefined ? '–' : told(`${figure.bound.is} ${showMeasured(figure.bound.limit, figure.unit)}`)],
      [told(group.title)],
      [told(figure.source)],
    ]),
  };
  const parts = groups.map((group) => ({
    group,
    part: group.entries.length === 0 ? undefined : partOf(group.entries, about),
  }));
  const note = about.note === undefined ? '' : `<p class="promise">${toldHtml(about.note)}</p>`;
  const header =
    `<p class="over">${toldHtml(about.title)}</p><p class="outcome ${tone}">${first === undefined ? '✓ Kept' : '✗ Broken'}</p>` +
    `<h1>${toldHtml(verdict)}</h1>${note}`;
  const links = groups.map(({ title }, i) => `<li><a href="#g${i}">${toldHtml(title)}</a></li>`);
  const main = [
    `<section class="section" aria-labelledby="sum"><h2 class="title" id="sum">Figures</h2>${blockHtml(summary, { level: 3, id: 'figures' })}`,
    `<nav aria-label="Rollouts"><ol>${links.join('')}</ol></nav></section>`,
    ...parts.map(({ group, part }, i) => {
      const inner =
        part === undefined
          ? ''
          : `${headHtml(part.head, { level: 3, id: `g${i}-head` })}${sectionsHtml(part.sections, { level: 3, id: `g${i}` })}`;
      return `<section class="part" aria-labelledby="g${i}"><h2 class="title" id="g${i}">${toldHtml(group.title)}</h2><p class="promise">${toldHtml(group.promise)}</p>${inner}</section>`;
    }),
  ].join('\n');
  return {
    html: pageHtml(`${about.title}: ${verdict}`, header, main, footerHtml(about)),
    markdown: [
      `# ${escapeMarkdown(verdict)}\n`,
      `${escapeMarkdown(about.title)}${about.note === undefined ? '' : `. ${escapeMarkdown(about.note)}`}\n`,
      `## Figures\n\n${blockMarkdown(summary, 3)}\n`,
      ...parts.map(
        ({ group, part }) =>
          `## ${escapeMarkdown(group.title)}\n\n${escapeMarkdown(group.promise)}\n` +
          (part === undefined ? '' : `\n${headMarkdown(part.head, 3)}\n${sectionsMarkdown(part.sections, 3)}`),
      ),
    ].join('\n'),
  };
}

const showMeasured = (value: number, unit: string): string => {
  if (!Number.isFinite(value)) return 'not measured';
  if (unit === 'ms') return showDuration(value);
  return unit === '' ? showCount(value) : `${showCount(value)} ${unit}`;
};
