import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, sha256, TowpathError } from '../kernel/index.ts';
import { findUp, kindOf, run } from '../system/index.ts';
import { configJsonSchema } from './describe.ts';
import type { Evaluated } from './evaluate.ts';
import { findProblems, type ConfigProblem } from './problems.ts';
import { ConfigSchema, type Config } from './schema.ts';
import { nearestPlace, type Place } from './places.ts';

export const CONFIG_FILE = 'towpath.config.ts';

export interface LoadedConfig {
  readonly config: Config;
  readonly file: string;
  /** sha256 of the canonical parsed config: the same for the same meaning, whatever the layout. */
  readonly hash: string;
}

export interface LoadOptions {
  /** Use this file in place of the nearest towpath.config.ts. */
  readonly file?: string;
  /** Milliseconds that the file may run; 10 s by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const EVALUATE = fileURLToPath(new URL(`./evaluate${path.extname(fileURLToPath(import.meta.url))}`, import.meta.url));

const refuse = (code: string, message: string, hint: string, problems: readonly ConfigProblem[] = []): TowpathError =>
  new TowpathError(code, message, {
    remedy: 'fix-input',
    hint,
    ...(problems.length === 0 ? {} : { details: { problems } }),
  });

async function locate(dir: string, given: string | undefined): Promise<string> {
  if (given !== undefined) {
    const file = path.resolve(dir, given);
    if ((await kindOf(file)) === 'file') return file;
    throw refuse(
      'config.not_found',
      `there is no file ${file}`,
      'name the config with --config, or write one with `towpath init`',
    );
  }
  const root = await findUp(CONFIG_FILE, dir);
  if (root !== undefined) return path.join(root, CONFIG_FILE);
  throw refuse(
    'config.not_found',
    `there is no ${CONFIG_FILE} in ${path.resolve(dir)} or above`,
    'write one with `towpath init`',
  );
}

/** Evaluates the file in a process of its own, so that a config can neither hang, print into nor change this one. */
async function evaluate(file: string, options: LoadOptions): Promise<Evaluated> {
  const nonce = `towpath-${randomBytes(16).toString('hex')} `;
  const within = options.timeoutMs ?? 10_000;
  const executed = await run(
    {
      argv: [process.execPath, '--no-warnings', EVALUATE, file],
      cwd: path.dirname(file),
      env: { ...process.env, NODE_OPTIONS: '' },
      input: nonce,
      timeoutMs: within,
    },
    options.signal,
  ).catch((error: unknown) => {
    if (error instanceof TowpathError && error.code === 'exec.deadline') {
      throw refuse(
        'config.timeout',
        `${file} did not finish within ${within} ms`,
        'a config only describes: take out what waits, loops or calls the network',
      );
    }
    throw error;
  });
  const line = executed.stdout.split('\n').find((text) => text.startsWith(nonce.trim()));
  if (line !== undefined) return JSON.parse(line.slice(nonce.trim().length));
  return {
    ok: false,
    kind: 'threw',
    message: `it ended the process with code ${executed.code}`,
    place: { line: 1, column: 1 },
  };
}

const one = (file: string, place: Place, message: string): ConfigProblem => ({
  path: '',
  file,
  ...place,
  message,
  suggestion: '',
});

function failed(file: string, evaluated: Extract<Evaluated, { ok: false }>): TowpathError {
  const { kind, message, place } = evaluated;
  const problems = [one(file, place, message)];
  const name = path.basename(file);
  if (kind === 'syntax')
    return refuse('config.syntax', `${name} cannot be read`, `correct line ${place.line}`, problems);
  if (kind === 'no-export') {
    return refuse(
      'config.invalid',
      `${name} exports no config`,
      'end it with `export default defineConfig({ ... })`',
      problems,
    );
  }
  return refuse('config.threw', `${name} failed while it ran`, `correct line ${place.line}`, problems);
}

/**
 * Finds, evaluates and checks a config.
 * @param dir where to look; upwards from here
 * @throws TowpathError `config.not_found`, `config.syntax`, `config.threw`, `config.timeout`, and
 * `config.invalid` with every problem in `details.problems`
 */
export async function loadConfig(dir: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const file = await locate(dir, options.file);
  const evaluated = await evaluate(file, options);
  if (!evaluated.ok) throw failed(file, evaluated);
  const places = new Map(evaluated.places);
  const parsed = ConfigSchema.safeParse(evaluated.value);
  const problems =
    evaluated.notPlain.length > 0
      ? evaluated.notPlain.map(({ path: at, what }) => ({
          ...one(file, nearestPlace(places, at), `must be plain data, not ${what}`),
          path: at.join('.'),
        }))
      : findProblems(evaluated.value, parsed.success ? [] : parsed.error.issues, configJsonSchema(), places, file);
  if (problems.length > 0 || !parsed.success) {
    const [first] = problems;
    const message =
      problems.length === 1
        ? `${path.basename(file)} has a problem`
        : `${path.basename(file)} has ${problems.length} problems`;
    throw refuse(
      'config.invalid',
      message,
      `correct ${path.basename(file)}${first === undefined ? '' : `, from line ${first.line}`}; \`towpath config reference\` lists what can stand there`,
      problems,
    );
  }
  return { config: parsed.data, file, hash: sha256(canonicalJson(parsed.data)) };
}
