import { stripVTControlCharacters } from 'node:util';

const WIDEST = 100;
/** Of the seconds before each line. */
const STAMP = 10;

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What a person watches: lines with the seconds since the start, and below them, on a terminal, the state of things now. */
export interface Screen {
  /** A line of the timeline; cut at 100 columns. */
  say(line: string): void;
  /** The command that a user would type. */
  command(line: string): void;
  /** The beginning of an act. */
  act(title: string): void;
  /** Lines without a time. */
  plain(...lines: readonly string[]): void;
  /** The state of things now; redrawn in place on a terminal, else a line of its own when `settled`. */
  now(line: string, settled: boolean): void;
  /** Takes the state away. */
  close(): void;
  readonly paint: Paint;
}

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export function createScreen(output: Output, env: Readonly<Record<string, string | undefined>>): Screen {
  const live = output.isTTY === true && env['TERM'] !== 'dumb' && (env['CI'] ?? '') === '';
  const paint = createPaint(output.isTTY === true && env['TERM'] !== 'dumb' && (env['NO_COLOR'] ?? '') === '');
  // A line that wraps could not be redrawn.
  const width = Math.min(WIDEST, output.columns ?? WIDEST);
  const started = performance.now();
  let footer = '';

  const write = (...lines: readonly string[]): void => {
    const erase = footer === '' ? '' : '\r\u001B[K';
    output.write(`${erase}${lines.map((line) => `${line}\n`).join('')}${footer}`);
  };
  const stamp = (): string => paint.dim(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`);
  return {
    paint,
    say: (line) => write(`${stamp()}  ${tinted(cut(line, width - STAMP), paint)}`),
    command: (line) => write(`${stamp()}  ${paint.cyan(`$ ${line}`)}`),
    act(title) {
      const rule = '─'.repeat(Math.max(0, width - title.length - 4));
      write('', paint.bold(`── ${title} ${rule}`));
    },
    plain: (...lines) => write(...lines),
    now(line, settled) {
      if (live) {
        footer = `${stamp()}  ${paint.dim(cut(line, width - STAMP))}`;
        output.write(`\r\u001B[K${footer}`);
      } else if (settled) {
        write(`${stamp()}  ${paint.dim(cut(line, width - STAMP))}`);
      }
    },
    close() {
      if (footer !== '') output.write('\r\u001B[K');
      footer = '';
    },
  };
}

function cut(line: string, width: number): string {
  return stripVTControlCharacters(line).length <= width ? line : `${line.slice(0, width - 1)}…`;
}

function tinted(line: string, paint: Paint): string {
  const marks: Readonly<Record<string, (text: string) => string>> = {
    '✓': paint.green,
    '✗': paint.red,
    '↩': paint.yellow,
    '!': paint.yellow,
    '●': paint.dim,
  };
  const mark = line.trimStart().charAt(0);
  const tint = marks[mark];
  return tint === undefined ? line : line.replace(mark, tint(mark));
}

function createPaint(on: boolean): Paint {
  const sgr =
    (open: number, close: number) =>
    (text: string): string =>
      on ? `\u001B[${open}m${text}\u001B[${close}m` : text;
  return {
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    cyan: sgr(36, 39),
  };
}
