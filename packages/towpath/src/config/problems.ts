import { Cron } from 'croner';
import type { z } from 'zod';
import { nearest } from '../kernel/index.ts';
import { knownKeys, type SchemaNode } from './describe.ts';
import { nearestPlace, type Place } from './places.ts';
import { referenceEntries } from './reference.ts';

/** One thing that is wrong with a config. */
export interface ConfigProblem {
  /** `processes.web.readiness` */
  readonly path: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What was probably meant; '' when we cannot tell. */
  readonly suggestion: string;
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

interface Found {
  readonly path: Path;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

const dotted = (path: Path): string => path.map(String).join('.');

const valueAt = (config: unknown, path: Path): unknown => {
  let value = config;
  for (const part of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
  return value;
};

const didYouMean = (word: string | undefined): string | undefined =>
  word === undefined ? undefined : `did you mean ${word}?`;

/** The branch of a union whose complaints lie deepest: the one that was most likely meant. */
function likelyBranch(errors: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length));
  return errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
}

function suggestKey(
  key: string,
  free: readonly string[],
  known: readonly string[],
  schema: SchemaNode,
): string | undefined {
  const meant = nearest(key, free) ?? nearest(key, known);
  if (meant !== undefined) return `did you mean ${meant}?`;
  const paths = referenceEntries(schema).filter((entry) => entry.path.endsWith(`.${key}`));
  const elsewhere = paths.find((entry) => !entry.path.includes('<')) ?? paths[0];
  if (elsewhere !== undefined) return `did you mean ${elsewhere.path}?`;
  return known.length === 0 ? undefined : `known: ${known.join(', ')}`;
}

function explain(issue: Issue, at: Path, config: unknown, schema: SchemaNode): readonly Found[] {
  const path = [...at, ...issue.path];
  const value = valueAt(config, path);
  const last = String(path.at(-1) ?? '');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path, config);
    const present = valueAt(config, path);
    const free = known.filter((key) => typeof present !== 'object' || present === null || !(key in present));
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `"${key}" is not known here`,
      suggestion: suggestKey(key, free, known, schema),
    }));
  }
  if (issue.code === 'invalid_union') {
    if (issue.discriminator !== undefined || (issue.errors.length === 0 && last === 'kind')) {
      const kind = valueAt(config, [
        ...at,
        ...issue.path.filter((_, i, all) => i < all.length - (last === 'kind' ? 1 : 0)),
        'kind',
      ]);
      const kinds = ['web', 'worker', 'cron'];
      return [
        {
          path,
          message:
            kind === undefined
              ? 'kind is missing: web, worker or cron'
              : `kind cannot be ${show(kind)}: web, worker or cron`,
          suggestion: typeof kind === 'string' ? didYouMean(nearest(kind, kinds)) : undefined,
        },
      ];
    }
    if (value === undefined) return [{ path, message: 'is missing' }];
    const types = issue.errors
      .flat()
      .flatMap((inner) => (inner.code === 'invalid_type' && inner.path.length === 0 ? [inner.expected] : []));
    if (types.length === issue.errors.length)
      return [{ path, message: `expected ${[...new Set(types)].map(named).join(' or ')}, not ${show(value)}` }];
    return likelyBranch(issue.errors).flatMap((inner) => explain(inner, path, config, schema));
  }
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
    return [
      {
        path,
        message:
          issue.code === 'invalid_key'
            ? `"${last}" is no name: use lower-case letters, digits and dashes, starting with a letter`
            : issue.message,
      },
    ];
  }
  if (issue.code === 'invalid_type') {
    if (value === undefined) return [{ path, message: `is missing (${named(issue.expected)})` }];
    return [{ path, message: `expected ${named(issue.expected)}, not ${show(value)}` }];
  }
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map(String);
    if (value === undefined) return [{ path, message: `is missing: ${choices.join(', ')}` }];
    return [
      {
        path,
        message: `cannot be ${show(value)}: use ${choices.join(', ')}`,
        suggestion: typeof value === 'string' ? didYouMean(nearest(value, choices)) : undefined,
      },
    ];
  }
  if (typeof value === 'number' && issue.code === 'too_small') {
    return [
      {
        path,
        message: `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}, not ${value}`,
      },
    ];
  }
  if (typeof value === 'number' && issue.code === 'too_big') {
    return [{ path, message: `must be at most ${issue.maximum}, not ${value}` }];
  }
  return [{ path, message: issue.message.replace(/^(Invalid input|Too small|Too big): /, '') }];
}

const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};
const named = (type: string): string => NAMES[type] ?? type;

/** The kind of a value; never a text itself, which may be a secret in the wrong place. */
function show(value: unknown): string {
  if (typeof value === 'string') return value.length <= 24 && /^[\w .%/-]*$/.test(value) ? `"${value}"` : 'a text';
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

const entriesOf = (config: unknown, key: string): readonly (readonly [string, unknown])[] => {
  const value = valueAt(config, [key]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
};

/** What the shape cannot say: cron expressions, stages of an environment, a URL where a variable's name belongs. */
function meaning(config: unknown): readonly Found[] {
  const cron = entriesOf(config, 'processes').flatMap(([name, group]): Found[] => {
    const schedule = valueAt(group, ['schedule']);
    if (valueAt(group, ['kind']) !== 'cron' || typeof schedule !== 'string') return [];
    const path = ['processes', name, 'schedule'];
    try {
      const job = new Cron(schedule, { paused: true, timezone: 'UTC', mode: '5-or-6-parts' });
      if (job.nextRun() === null) return [{ path, message: `"${schedule}" never comes` }];
      return [];
    } catch {
      return [
        {
          path,
          message: `"${schedule}" is no cron expression of 5 or 6 fields`,
          suggestion: 'such as "*/5 * * * *", in UTC',
        },
      ];
    }
  });
  const urls = entriesOf(config, 'environments').flatMap(([name, environment]): Found[] => {
    const url = valueAt(environment, ['database', 'url']);
    if (typeof url !== 'string' || /^[A-Za-z_][A-Za-z0-9_]*$/.test(url)) return [];
    return [
      {
        path: ['environments', name, 'database', 'url'],
        message: 'takes the NAME of a variable, not a URL: secrets do not belong in the config',
        suggestion: 'such as "DATABASE_URL"',
      },
    ];
  });
  const stages = entriesOf(config, 'environments').flatMap(([name, environment]): Found[] => {
    const given = valueAt(environment, ['stages']);
    if (!Array.isArray(given)) return [];
    const weights = given.map((stage: unknown) => (typeof stage === 'number' ? stage : valueAt(stage, ['weight'])));
    if (!weights.every((weight) => typeof weight === 'number')) return [];
    const path = ['environments', name, 'stages'];
    return [
      ...(weights.every((weight, i) => i === 0 || weight > (weights[i - 1] ?? 0))
        ? []
        : [{ path, message: 'stages must rise' }]),
      ...(weights.at(-1) === 100 ? [] : [{ path, message: 'the last stage must be 100' }]),
    ];
  });
  return [...cron, ...urls, ...stages];
}

/** Every problem of a config, in the order of the file. Pure. */
export function findProblems(
  config: unknown,
  issues: readonly Issue[],
  schema: SchemaNode,
  places: ReadonlyMap<string, Place>,
  file: string,
): readonly ConfigProblem[] {
  const found = [...issues.flatMap((issue) => explain(issue, [], config, schema)), ...meaning(config)];
  return found
    .map(({ path, message, suggestion }) => ({
      path: dotted(path),
      file,
      ...nearestPlace(places, path),
      message,
      suggestion: suggestion ?? '',
    }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}
