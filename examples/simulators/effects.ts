import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { isFields, parseJson } from './serve.ts';

/** One change that took place in the shop. */
export interface Effect {
  /** The caller's idempotency key; '' when it sent none. */
  readonly key: string;
  readonly operation: string;
  /** What was changed: `<gid>/<field>`. */
  readonly target: string;
  readonly value: unknown;
  /** ms since the epoch */
  readonly at: number;
}

export interface EffectCounts {
  /** Changes that took place. */
  readonly effects: number;
  /** Mutations that arrived, repeated ones included. */
  readonly attempts: number;
  /** Keys under which more than one change took place. */
  readonly duplicates: readonly string[];
  readonly keys: Readonly<Record<string, { readonly effects: number; readonly attempts: number }>>;
}

export interface EffectLog {
  attempted(key: string): void;
  /** The effect that this key had before. */
  before(key: string): Effect | undefined;
  commit(effect: Effect): void;
  value(target: string): unknown;
  counts(): EffectCounts;
}

/**
 * Remembers every effect; with a file also past the end of the process. A line is appended before the
 * caller is answered, so a killed simulator forgets nothing that it did.
 */
export function openEffects(file: string | undefined): EffectLog {
  const committed: Effect[] = [];
  const byKey = new Map<string, Effect>();
  const attempts = new Map<string, number>();
  const values = new Map<string, unknown>();

  const keep = (effect: Effect): void => {
    committed.push(effect);
    if (effect.key !== '') byKey.set(effect.key, effect);
    values.set(effect.target, effect.value);
  };
  const count = (key: string): void => void attempts.set(key, (attempts.get(key) ?? 0) + 1);
  const append = (line: unknown): void => {
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
  };

  if (file !== undefined && existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const entry = parseJson(line);
      if (!isFields(entry)) continue;
      const { attempt, key, operation, target, value, at } = entry;
      if (typeof attempt === 'string') count(attempt);
      if (typeof key === 'string' && typeof operation === 'string' && typeof target === 'string') {
        keep({ key, operation, target, value, at: Number(at) });
      }
    }
  }
  return {
    attempted(key) {
      count(key);
      append({ attempt: key });
    },
    before: (key) => (key === '' ? undefined : byKey.get(key)),
    commit(effect) {
      keep(effect);
      append(effect);
    },
    value: (target) => values.get(target),
    counts() {
      const keys: Record<string, { effects: number; attempts: number }> = {};
      for (const [key, seen] of attempts) keys[key] = { effects: 0, attempts: seen };
      for (const { key } of committed) {
        const entry = (keys[key] ??= { effects: 0, attempts: 0 });
        entry.effects++;
      }
      return {
        effects: committed.length,
        attempts: [...attempts.values()].reduce((sum, seen) => sum + seen, 0),
        duplicates: Object.keys(keys).filter((key) => key !== '' && (keys[key]?.effects ?? 0) > 1),
        keys,
      };
    },
  };
}
