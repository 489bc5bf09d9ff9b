import { createHash } from 'node:crypto';
import type { Chart } from './chart.ts';
import {
  SIGN,
  type Block,
  type Head,
  type Inline,
  type Line,
  type Mark,
  type Section,
  type Table,
} from './document.ts';
import { escapeHtml } from './escape.ts';
import type { Figure } from './figures.ts';
import { STYLE } from './style.ts';
import { chartSvg, legendSvg } from './svg.ts';

/** A whole page that asks nobody for anything: style inside, no script, and a policy that forbids the rest. */
export function pageHtml(title: string, header: string, main: string, footer: string): string {
  const style = createHash('sha256').update(STYLE).digest('base64');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${style}'; img-src data:; base-uri 'none'; form-action 'none'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    '<link rel="icon" href="data:,">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<header class="page-head">${header}</header>`,
    `<main>${main}</main>`,
    `<footer>${footer}</footer>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** Where in a page a part stands: its headings begin at this level, its ids with this word. */
export interface Place {
  readonly level: number;
  readonly id: string;
}

export function headHtml(head: Head, place: Place): string {
  const tiles = head.tiles.map(
    ({ term, line, note }) =>
      `<div><dt>${escapeHtml(term)}</dt><dd>${lineHtml(line)}${note === undefined ? '' : `<div class="note">${lineHtml(note)}</div>`}</dd></div>`,
  );
  const headline =
    place.level === 1 ? `<h1>${lineHtml(head.headline)}</h1>` : `<p class="headline">${lineHtml(head.headline)}</p>`;
  return (
    `<p class="over">${lineHtml(head.over)}</p><p class="outcome ${head.tone}">${SIGN[head.tone]} ${escapeHtml(head.outcome)}</p>` +
    `${headline}<dl class="tiles">${tiles.join('')}</dl>`
  );
}

/** @param place of the sections' own headings */
export function sectionsHtml(sections: readonly Section[], place: Place): string {
  return sections
    .map(({ heading, blocks }, i) => {
      const id = `${place.id}-${i}`;
      const inner = blocks
        .map((block, at) => blockHtml(block, { level: place.level + 1, id: `${id}-${at}` }))
        .join('\n');
      // On a page of several rollouts only each whole rollout is a landmark: their sections share names.
      const landmark = place.level === 2 ? ` aria-labelledby="${id}"` : '';
      return `<section class="section"${landmark}><h${place.level} class="title" id="${id}">${escapeHtml(heading)}</h${place.level}>\n${inner}</section>`;
    })
    .join('\n');
}

export function blockHtml(block: Block, place: Place): string {
  switch (block.kind) {
    case 'text':
      return `<p>${lineHtml(block.line)}</p>`;
    case 'heading':
      return `<h${place.level} class="sub">${escapeHtml(block.text)}</h${place.level}>`;
    case 'list': {
      const tag = block.ordered === true ? 'ol' : 'ul';
      return `<${tag} class="list">${block.items.map((item) => `<li>${lineHtml(item)}</li>`).join('')}</${tag}>`;
    }
    case 'facts':
      return `<dl class="facts">${block.facts.map(({ term, line }) => `<dt>${escapeHtml(term)}</dt><dd>${lineHtml(line)}</dd>`).join('')}</dl>`;
    case 'steps':
      return `<ol class="steps">${block.items
        .map(
          (step) =>
            `<li><div><span class="what">${lineHtml([step.title])}</span> ${markHtml(step.mark)}</div>` +
            `<div class="took">${step.took === undefined ? '' : figureHtml(step.took)}</div>${notesHtml(step.notes)}</li>`,
        )
        .join('\n')}</ol>`;
    case 'timeline':
      return `<ol class="timeline">${block.items
        .map(({ at, line }) => `<li><span class="at">${figureHtml(at)}</span><span>${lineHtml(line)}</span></li>`)
        .join('\n')}</ol>`;
    case 'problem':
      return `<div class="problem"><p class="what">${lineHtml(block.title)}</p>${notesHtml(block.notes)}</div>`;
    case 'details':
      return `<details><summary>${lineHtml(block.summary)}</summary>${block.blocks.map((inner, at) => blockHtml(inner, { level: place.level, id: `${place.id}-${at}` })).join('')}</details>`;
    case 'charts':
      return `<div class="charts">${block.charts.map((chart) => chartHtml(chart, `${place.id}-${chart.name}`)).join('\n')}</div>`;
    case 'table':
      return tableHtml(block, place.id);
  }
}

const notesHtml = (notes: readonly { readonly term: string; readonly line: Line }[]): string =>
  notes
    .map(({ term, line }) => `<p class="note"><span class="term">${escapeHtml(term)}:</span> ${lineHtml(line)}</p>`)
    .join('');

function tableHtml(table: Table, id: string): string {
  const classOf = (column: number, cell: Line): string => {
    if (table.columns[column]?.numeric === true) return ' class="num"';
    return cell.some((part) => textOf(part).length > 30) ? ' class="words"' : '';
  };
  const head = table.columns.map(
    ({ title, numeric }) => `<th scope="col"${numeric === true ? ' class="num"' : ''}>${lineHtml(title)}</th>`,
  );
  const body = table.rows.map((cells) => {
    const [first, ...rest] = cells;
    const header = first === undefined ? '' : `<th scope="row"${classOf(0, first)}>${lineHtml(first)}</th>`;
    return `<tr>${header}${rest.map((cell, at) => `<td${classOf(at + 1, cell)}>${lineHtml(cell)}</td>`).join('')}</tr>`;
  });
  // A table wider than the page scrolls by itself; with the keyboard too, hence the tab stop.
  return (
    `<div class="scroll" role="group" tabindex="0" aria-labelledby="${id}-c"><table><caption id="${id}-c">${escapeHtml(table.caption)}</caption>` +
    `<thead><tr>${head.join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`
  );
}

function chartHtml(chart: Chart, id: string): string {
  const legend = chart.series.map(
    ({ label, role }) =>
      `<li>${legendSvg(chart.form, role, `${id}-k-${role}`)}<span data-label>${escapeHtml(label)}</span></li>`,
  );
  return (
    `<figure><figcaption>${escapeHtml(chart.title)}</figcaption><ul class="legend">${legend.join('')}</ul>${chartSvg(chart, id)}` +
    `<details><summary>${escapeHtml(chart.title)} as a table</summary>${tableHtml(chart.table, id)}</details></figure>`
  );
}

export const lineHtml = (line: Line): string => line.map(inlineHtml).join('');

function inlineHtml(part: Inline): string {
  if (typeof part === 'string') return escapeHtml(part);
  switch (part.kind) {
    case 'figure':
      return figureHtml(part);
    case 'mark':
      return markHtml(part);
    case 'code':
      return `<code>${escapeHtml(part.text)}</code>`;
    case 'told':
      return toldHtml(part.text);
  }
}

/** What whoever asked for the report says: not from the ledger, and marked as such. */
export const toldHtml = (words: string): string => `<bdi data-told>${escapeHtml(words)}</bdi>`;

const textOf = (part: Inline): string => {
  if (typeof part === 'string') return part;
  return typeof part.text === 'string' ? part.text : part.text.text;
};

const markHtml = ({ tone, text }: Mark): string =>
  `<span class="mark ${tone}">${SIGN[tone]} ${typeof text === 'string' ? escapeHtml(text) : figureHtml(text)}</span>`;

const HASH = /^(?:sha256:)?[0-9a-f]{12,64}$/;

/** The value with its source: which member of which row, and how it comes from it. */
export function figureHtml({ text, from, op, as }: Figure): string {
  const source = from.map(({ seq, path }) => `${seq}:${path}`).join(' ');
  const how = op === 'is' ? '' : ` data-op="${op}"`;
  const hash = HASH.test(text) ? ' class="hash"' : '';
  // bdi keeps a user's right-to-left marks from reordering what stands around them.
  return `<bdi${hash} data-ledger="${escapeHtml(source)}"${how} data-as="${as}">${escapeHtml(text)}</bdi>`;
}
