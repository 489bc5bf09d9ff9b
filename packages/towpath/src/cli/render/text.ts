import { stripVTControlCharacters } from 'node:util';

/** Columns a text takes on a terminal; colours take none. Our own texts hold no wide characters. */
export const widthOf = (text: string): number => Array.from(stripVTControlCharacters(text)).length;

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;

/** Cut to a width with an ellipsis. For texts without colours. */
export function clip(text: string, width: number): string {
  const letters = Array.from(text);
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** `left` and `right` at the two ends of a line; `left` gives way. Colours are put on by `dress`. */
export function ends(left: string, right: string, width: number): readonly [string, string] {
  const room = Math.max(0, width - widthOf(right) - (right === '' ? 0 : 1));
  const cut = clip(left, room);
  return [cut, right === '' ? '' : ' '.repeat(Math.max(1, width - widthOf(cut) - widthOf(right))) + right];
}

/** Breaks a sentence at spaces. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? clip(word, width) : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** `1,234`, the same in every locale. */
export const count = (value: number): string => String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ',');

/** Percent with at most one decimal. */
export const share = (value: number): string => `${Number(value.toFixed(1))} %`;

/** Columns under their headers, two spaces apart; the last column gives way. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
  dress: (header: string) => string,
): readonly string[] {
  const widths = headers.map((header, i) => Math.max(widthOf(header), ...rows.map((row) => widthOf(row[i] ?? ''))));
  const last = headers.length - 1;
  const before = widths.slice(0, last).reduce((sum, w) => sum + w + 2, 0);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        i === last
          ? widthOf(cell) > width - before
            ? clip(cell, width - before)
            : cell
          : padEnd(cell, widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [dress(line(headers)), ...rows.map(line)];
}
