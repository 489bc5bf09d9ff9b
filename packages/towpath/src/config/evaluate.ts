/**
 * Runs as a process of its own: evaluates one config file and prints what it exports, with the place
 * of every key. The config may print what it likes: the answer is the line behind a nonce that came
 * on stdin.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readPlaces, type Place } from './places.ts';

export type Evaluated =
  | {
      readonly ok: true;
      readonly value: unknown;
      readonly places: readonly (readonly [string, Place])[];
      readonly notPlain: readonly NotPlain[];
    }
  | {
      readonly ok: false;
      readonly kind: 'syntax' | 'threw' | 'no-export';
      readonly message: string;
      readonly place: Place;
    };

export interface NotPlain {
  readonly path: readonly (string | number)[];
  readonly what: string;
}

const file = process.argv[2] ?? '';
const nonce = readFileSync(0, 'utf8').trim();
const write = process.stdout.write.bind(process.stdout);
const url = pathToFileURL(file).href;
const ownExtension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const define = new URL(`./define${ownExtension}`, import.meta.url).href;

/** The place that an error of the parser or of the running file names. */
function placeOf(error: unknown): Place {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const at = stack.indexOf(url);
  const running = at === -1 ? null : /^:(\d+):(\d+)/.exec(stack.slice(at + url.length));
  if (running !== null) return { line: Number(running[1]), column: Number(running[2]) };
  // Syntax errors begin with `:<line>`, then some lines of the file with a caret under the place.
  const line = /^[^\n]*:(\d+)\n/.exec(stack)?.[1];
  const caret = /^( *)\^+$/m.exec(stack)?.[1];
  if (line !== undefined) return { line: Number(line), column: (caret ?? '').length + 1 };
  return { line: 1, column: 1 };
}

/** What JSON would lose in silence. */
function notPlainIn(value: unknown, path: readonly (string | number)[] = [], depth = 0): NotPlain[] {
  if (value === null || ['string', 'boolean', 'undefined'].includes(typeof value)) return [];
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [{ path, what: String(value) }];
  if (depth > 20) return [{ path, what: 'something nested too deep' }];
  if (Array.isArray(value)) return value.flatMap((item, i) => notPlainIn(item, [...path, i], depth + 1));
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return Object.entries(value).flatMap(([key, member]) => notPlainIn(member, [...path, key], depth + 1));
    }
    return [{ path, what: value instanceof Promise ? 'a promise' : 'an object of a class' }];
  }
  return [{ path, what: `a ${typeof value}` }];
}

async function evaluate(): Promise<Evaluated> {
  let places: Map<string, Place>;
  try {
    const source = readFileSync(file, 'utf8');
    const script = /\.[cm]?ts$/.test(file) ? stripTypeScriptTypes(source) : source;
    places = readPlaces(script);
  } catch (error) {
    const at: unknown = error instanceof Error ? Reflect.get(error, 'loc') : undefined;
    const line: unknown = typeof at === 'object' && at !== null ? Reflect.get(at, 'line') : undefined;
    const column: unknown = typeof at === 'object' && at !== null ? Reflect.get(at, 'column') : undefined;
    const place =
      typeof line === 'number' && typeof column === 'number' ? { line, column: column + 1 } : placeOf(error);
    const message = (error instanceof Error ? error.message : String(error)).replace(/ \(\d+:\d+\)$/, '');
    return { ok: false, kind: 'syntax', message, place };
  }
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'towpath') return { url: define, shortCircuit: true };
      // A config is a module, whatever a package.json beside it says about `type`, or fails to say.
      if (specifier === url && file.endsWith('.ts')) return { url, format: 'module-typescript', shortCircuit: true };
      return next(specifier, context);
    },
  });
  let module: unknown;
  try {
    module = await import(url);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, kind: error instanceof SyntaxError ? 'syntax' : 'threw', message, place: placeOf(error) };
  }
  const value: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return {
      ok: false,
      kind: 'no-export',
      message: 'the file exports no config as its default',
      place: { line: 1, column: 1 },
    };
  }
  const notPlain = notPlainIn(value);
  return { ok: true, value: notPlain.length > 0 ? {} : value, places: [...places], notPlain };
}

const evaluated = await evaluate();
write(`\n${nonce}${JSON.stringify(evaluated)}\n`, () => {
  // Timers and sockets that the config opened must not keep this process.
  process.exit(0);
});
