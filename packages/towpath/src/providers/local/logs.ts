import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Scope } from '../../kernel/index.ts';
import { sleep, type Clock } from '../../system/index.ts';
import type { LogLine, LogQuery } from '../contract.ts';
import { segment, type Places } from './places.ts';
import { KEEP_PARTS, modifiedAt, namesIn, parseLogName, sizeOf, type LogName } from './rotate.ts';

const LOOK_MS = 200;
const BLOCK = 64 * 1024;
/** A line longer than this is cut into several. */
const LONGEST_LINE = 64 * 1024;

interface Source extends LogName {
  readonly file: string;
  readonly group: string;
}

interface Cursor {
  readonly source: Source;
  offset: number;
  decoder: StringDecoder;
  /** The begun line. */
  rest: string;
}

/**
 * Lines out of the log files. The files hold what the app wrote and nothing else, so a line's `at` is
 * an estimate: for lines that were there already, when their file was last written; for followed
 * lines, when we read them (up to 0.2 s after they were written). Lines of one stream are in order;
 * between stdout and stderr the order is not known. Instances made while following are included.
 */
export async function* readLogs(
  places: Places,
  scope: Scope,
  query: LogQuery,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const cursors = new Map<string, Cursor>();
  const sources = sourcesOf(places, scope, query).sort((a, b) => modifiedAt(a.file) - modifiedAt(b.file));
  for (const source of sources) {
    if (signal.aborted) return;
    const end = sizeOf(source.file);
    const { lines, rest, offset } = tail(source.file, end, query.tail);
    cursors.set(source.file, { source, offset, decoder: new StringDecoder('utf8'), rest: query.follow ? rest : '' });
    const at = Math.round(modifiedAt(source.file)) || clock.now();
    for (const line of lines) yield toLine(source, at, line);
    if (!query.follow && rest !== '' && query.tail > 0) yield toLine(source, at, rest);
  }
  while (query.follow && !signal.aborted) {
    for (const source of sourcesOf(places, scope, query)) {
      let cursor = cursors.get(source.file);
      if (cursor === undefined) {
        cursor = { source, offset: 0, decoder: new StringDecoder('utf8'), rest: '' };
        cursors.set(source.file, cursor);
      }
      for (const line of newLines(cursor)) {
        if (signal.aborted) return;
        yield toLine(source, clock.now(), line);
      }
    }
    try {
      await sleep(LOOK_MS, signal);
    } catch {
      return;
    }
  }
}

function toLine(source: Source, at: number, line: string): LogLine {
  return {
    at,
    instance: source.instance,
    release: source.release,
    group: source.group,
    stream: source.stream,
    line: line.endsWith('\r') ? line.slice(0, -1) : line,
  };
}

function sourcesOf(places: Places, scope: Scope, query: LogQuery): Source[] {
  const root = places.logs(scope);
  const groups = query.group === undefined ? namesIn(root) : [segment(query.group)];
  return groups.flatMap((group) =>
    namesIn(path.join(root, group)).flatMap((name) => {
      const log = parseLogName(name);
      if (log === undefined || log.part !== 0) return [];
      if (query.instance !== undefined && query.instance !== log.instance) return [];
      if (query.release !== undefined && query.release !== log.release) return [];
      return [{ ...log, file: path.join(root, group, name), group: decodeURIComponent(group) }];
    }),
  );
}

/** The last `count` whole lines, the begun line after them, and where reading goes on. */
function tail(file: string, end: number, count: number): { lines: string[]; rest: string; offset: number } {
  const parts = [file, ...Array.from({ length: KEEP_PARTS }, (_, i) => `${file}.${i + 1}`)];
  let text = Buffer.alloc(0);
  for (const part of parts) {
    let from = part === file ? end : sizeOf(part);
    while (from > 0 && newlines(text) <= count) {
      const start = Math.max(0, from - BLOCK);
      text = Buffer.concat([readRange(part, start, from), text]);
      from = start;
    }
    if (newlines(text) > count) break;
  }
  const lines = text.toString('utf8').split('\n');
  const rest = lines.pop() ?? '';
  return { lines: count === 0 ? [] : lines.slice(-count), rest, offset: end };
}

function newlines(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(10); at !== -1; at = text.indexOf(10, at + 1)) count++;
  return count;
}

/** What was written since, as whole lines. */
function* newLines(cursor: Cursor): Generator<string> {
  const { file } = cursor.source;
  const size = sizeOf(file);
  if (size < cursor.offset) {
    // It was rotated: the rest of what we were reading is in `.1` now.
    const moved = `${file}.1`;
    yield* take(cursor, moved, sizeOf(moved));
    cursor.offset = 0;
  }
  yield* take(cursor, file, size);
}

function* take(cursor: Cursor, file: string, end: number): Generator<string> {
  while (cursor.offset < end) {
    const block = readRange(file, cursor.offset, Math.min(end, cursor.offset + BLOCK));
    if (block.length === 0) return;
    cursor.offset += block.length;
    const lines = (cursor.rest + cursor.decoder.write(block)).split('\n');
    cursor.rest = lines.pop() ?? '';
    yield* lines;
    if (cursor.rest.length >= LONGEST_LINE) {
      yield cursor.rest;
      cursor.rest = '';
    }
  }
}

function readRange(file: string, from: number, to: number): Buffer {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    // Rotated or pruned away just now.
    return Buffer.alloc(0);
  }
  try {
    const buffer = Buffer.alloc(to - from);
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from));
  } finally {
    closeSync(fd);
  }
}
