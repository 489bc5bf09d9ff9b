import type { ErrorBody } from '../kernel/index.ts';
import type { Output } from './needs.ts';

/** Colours; each returns its text unchanged when colours are off. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly blue: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly magenta: (text: string) => string;
}

export function createPaint(on: boolean): Paint {
  const sgr =
    (open: number, close: number) =>
    (text: string): string =>
      on && text !== '' ? `\u001B[${open}m${text}\u001B[${close}m` : text;
  return {
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    blue: sgr(34, 39),
    cyan: sgr(36, 39),
    magenta: sgr(35, 39),
  };
}

/** Where a command prints: people read stdout and stderr, programs one JSON document on stdout. */
export interface Terminal {
  readonly json: boolean;
  readonly paint: Paint;
  /** Columns to draw in: those of the terminal, at most 100; 100 when it is none. */
  readonly columns: number;
  readonly rows: number;
  /** Whether lines may be redrawn in place. */
  readonly live: boolean;
  /** One or more lines for people; nothing with --json. */
  print(...lines: readonly string[]): void;
  /** One JSON document or one JSON line; nothing without --json. */
  document(value: unknown): void;
  /** Text as it is, in both modes: schemas, completions, reports. */
  raw(text: string): void;
  /** A remark beside the answer, on stderr; nothing with --json. */
  note(line: string): void;
  error(error: ErrorBody): void;
}

export interface TerminalOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly json: boolean;
  readonly noColor: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const set = (value: string | undefined): boolean => value !== undefined && value !== '';

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, json, env } = options;
  const dumb = env['TERM'] === 'dumb';
  const plain = options.noColor || set(env['NO_COLOR']) || dumb;
  const colours = (stream: Output): boolean =>
    !plain && (stream.isTTY || (set(env['FORCE_COLOR']) && env['FORCE_COLOR'] !== '0'));
  const paint = createPaint(colours(stdout) && !json);
  const paintErr = createPaint(colours(stderr));
  return {
    json,
    paint,
    columns: Math.max(40, Math.min(stdout.columns ?? 100, 100)),
    rows: stdout.rows ?? 24,
    live: stdout.isTTY && !json && !dumb && !set(env['CI']),
    print: (...lines) => {
      if (!json && lines.length > 0) stdout.write(`${lines.join('\n')}\n`);
    },
    document: (value) => {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    raw: (text) => stdout.write(text),
    note: (line) => {
      if (!json) stderr.write(`${paintErr.dim(line)}\n`);
    },
    error: (error) => {
      if (json) stdout.write(`${JSON.stringify({ error })}\n`);
      else stderr.write(`${errorLines(error, paintErr).join('\n')}\n`);
    },
  };
}

/** `✗ message`, its code, its problems if there are several, and what to do next. */
export function errorLines(
  error: Pick<ErrorBody, 'code' | 'message' | 'hint' | 'id'> & { readonly details?: ErrorBody['details'] | undefined },
  paint: Paint,
): readonly string[] {
  const problems = error.details?.['problems'];
  return [
    `${paint.red('✗')} ${error.message}`,
    `  ${paint.dim(error.code === 'internal.unexpected' ? `${error.code} ${error.id}` : error.code)}`,
    ...(Array.isArray(problems) ? problems.flatMap((problem: unknown) => problemLines(problem, paint)) : []),
    `  ${paint.cyan('→')} ${error.hint}`,
  ];
}

function problemLines(problem: unknown, paint: Paint): readonly string[] {
  if (typeof problem !== 'object' || problem === null) return [];
  const part = (key: string): string => {
    const value: unknown = Reflect.get(problem, key);
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  if (part('message') === '') return [];
  const place = part('file') === '' ? '' : `${part('file')}:${part('line')}:${part('column')}  `;
  const suggestion = part('suggestion') === '' ? '' : paint.cyan(`  ${part('suggestion')}`);
  return [
    `    ${paint.dim(place)}${paint.bold(part('path'))}${part('path') === '' ? '' : ': '}${part('message')}${suggestion}`,
  ];
}
