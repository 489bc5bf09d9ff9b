import type { Chart } from './chart.ts';
import { SIGN, type Block, type Head, type Inline, type Line, type Section, type Table } from './document.ts';
import { escapeMarkdown } from './escape.ts';

/** The same report as text for a pull request, a terminal or an archive. */
export function headMarkdown(head: Head, level: number): string {
  const tiles = head.tiles.map(
    ({ term, line, note }) => `- ${term}: ${lineMarkdown(line)}${note === undefined ? '' : ` (${lineMarkdown(note)})`}`,
  );
  const headline = level === 1 ? `# ${lineMarkdown(head.headline)}` : `**${lineMarkdown(head.headline)}**`;
  return `${headline}\n\n${SIGN[head.tone]} ${head.outcome} · ${lineMarkdown(head.over)}\n\n${tiles.join('\n')}\n`;
}

export function sectionsMarkdown(sections: readonly Section[], level: number): string {
  return sections
    .map(
      ({ heading, blocks }) =>
        `${'#'.repeat(level)} ${heading}\n\n${blocks.map((block) => blockMarkdown(block, level + 1)).join('\n\n')}\n`,
    )
    .join('\n');
}

export function blockMarkdown(block: Block, level: number): string {
  switch (block.kind) {
    case 'text':
      return lineMarkdown(block.line);
    case 'heading':
      return `${'#'.repeat(level)} ${block.text}`;
    case 'list':
      return block.items
        .map((item, i) => `${block.ordered === true ? `${i + 1}.` : '-'} ${lineMarkdown(item)}`)
        .join('\n');
    case 'facts':
      return block.facts.map(({ term, line }) => `- ${term}: ${lineMarkdown(line)}`).join('\n');
    case 'steps':
      return block.items
        .map((step, i) => {
          const took = step.took === undefined ? '' : ` · ${lineMarkdown([step.took])}`;
          const notes = step.notes.map(({ term, line }) => `\n   - ${term}: ${lineMarkdown(line)}`);
          return `${i + 1}. ${lineMarkdown([step.mark])} · ${lineMarkdown([step.title])}${took}${notes.join('')}`;
        })
        .join('\n');
    case 'timeline':
      return block.items.map(({ at, line }) => `- \`${at.text}\` ${lineMarkdown(line)}`).join('\n');
    case 'problem':
      return [
        `**${lineMarkdown(block.title)}**`,
        '',
        ...block.notes.map(({ term, line }) => `- ${term}: ${lineMarkdown(line)}`),
      ].join('\n');
    case 'details':
      return [lineMarkdown(block.summary), ...block.blocks.map((inner) => blockMarkdown(inner, level))].join('\n\n');
    case 'charts':
      return block.charts.map(chartMarkdown).join('\n\n');
    case 'table':
      return tableMarkdown(block);
  }
}

function tableMarkdown({ caption, columns, rows }: Table): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `${caption}:`,
    '',
    row(columns.map(({ title }) => lineMarkdown(title))),
    row(columns.map(({ numeric }) => (numeric === true ? '---:' : '---'))),
    ...rows.map((cells) => row(cells.map(lineMarkdown))),
  ].join('\n');
}

const BARS = '▁▂▃▄▅▆▇█';
const MOST_BARS = 60;

/** A line of bars for each release: its shape, and in words its range. */
function chartMarkdown(chart: Chart): string {
  const lines = chart.series.map(({ label, points }) => {
    const size = Math.ceil(points.length / MOST_BARS);
    const bars = points.flatMap((_, i) => {
      if (i % size !== 0) return [];
      const known = points.slice(i, i + size).flatMap(({ value }) => value ?? []);
      if (known.length === 0) return [' '];
      const part = Math.min(1, Math.max(...known) / chart.domain.value);
      return [BARS.charAt(Math.round(part * (BARS.length - 1)))];
    });
    return `- ${label}: \`${bars.join('')}\``;
  });
  return [`${chart.title} (full bar: ${chart.show(chart.domain.value)}). ${chart.description}`, '', ...lines].join(
    '\n',
  );
}

export const lineMarkdown = (line: Line): string => line.map(inlineMarkdown).join('');

function inlineMarkdown(part: Inline): string {
  if (typeof part === 'string') return part;
  switch (part.kind) {
    case 'figure':
    case 'told':
      return escapeMarkdown(part.text);
    case 'mark':
      return `${SIGN[part.tone]} ${typeof part.text === 'string' ? part.text : escapeMarkdown(part.text.text)}`;
    case 'code':
      return `\`${part.text.replaceAll('`', "'")}\``;
  }
}
