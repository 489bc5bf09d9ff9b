import { readFile } from 'node:fs/promises';
import { Cron } from 'croner';
import type { RolloutView } from '@towpath/wire';
import { sql, type Queryable } from '../../../packages/towpath/src/system/index.ts';

/** What the shop saw of the approved actions. */
export interface ActionCount {
  /** Approved, and the shop was never changed. */
  readonly lost: readonly string[];
  /** The shop was changed more than once, under the action's key or at its place under another one. */
  readonly duplicated: readonly string[];
  /** The shop was changed and nobody had approved it. */
  readonly extra: readonly string[];
  /** Mutations that were sent again; the shop knew their key. */
  readonly sentAgain: number;
}

/** Counts from the simulator's own record, a line for each attempt and each effect. */
export async function countActions(effectsFile: string, approved: ReadonlySet<string>): Promise<ActionCount> {
  const attempts: string[] = [];
  const byKey = new Map<string, number>();
  const byPlace = new Map<string, number>();
  for (const line of (await readFile(effectsFile, 'utf8')).split('\n').filter(Boolean)) {
    const { attempt, key, target }: { attempt?: string; key?: string; target?: string } = JSON.parse(line);
    if (attempt !== undefined) attempts.push(attempt);
    if (key === undefined || target === undefined) continue;
    byKey.set(key, (byKey.get(key) ?? 0) + 1);
    byPlace.set(target, (byPlace.get(target) ?? 0) + 1);
  }
  const twice = (counts: ReadonlyMap<string, number>): string[] =>
    [...counts].flatMap(([name, count]) => (count > 1 ? [name] : []));
  return {
    lost: [...approved].filter((key) => !byKey.has(key)),
    duplicated: [...new Set([...twice(byKey), ...twice(byPlace)])],
    extra: [...byKey.keys()].filter((key) => !approved.has(key)),
    sentAgain: attempts.length - new Set(attempts).size,
  };
}

/** What the app committed of its ticks. */
export interface TickCount {
  readonly expected: number;
  readonly committed: number;
  /** Due, and never committed. */
  readonly lost: readonly string[];
  /** Committed more than once. */
  readonly duplicated: readonly string[];
  /** Committed, and not due at all. */
  readonly extra: readonly string[];
}

/** Holds the app's committed runs against the schedule, computed here, in (from, until]. Times in ms since the epoch. */
export async function countTicks(
  app: Queryable,
  groups: readonly string[],
  schedule: string,
  [from, until]: readonly [number, number],
): Promise<TickCount> {
  const due = groups.flatMap((group) => timesOf(schedule, from, until).map((at) => `${group} ${at}`));
  const rows = await app.query(sql`
    select recommender, scheduled_at from recommender_runs
    where scheduled_at > ${new Date(from)} and scheduled_at <= ${new Date(until)}`);
  const committed = new Map<string, number>();
  for (const { recommender, scheduled_at: at } of rows) {
    const name = `${String(recommender)} ${at instanceof Date ? at.toISOString() : String(at)}`;
    committed.set(name, (committed.get(name) ?? 0) + 1);
  }
  const known = new Set(due);
  return {
    expected: due.length,
    committed: rows.length,
    lost: due.filter((name) => !committed.has(name)),
    duplicated: [...committed].flatMap(([name, count]) => (count > 1 ? [name] : [])),
    extra: [...committed.keys()].filter((name) => !known.has(name)),
  };
}

function timesOf(schedule: string, from: number, until: number): readonly string[] {
  const cron = new Cron(schedule, { timezone: 'UTC', paused: true });
  const found: string[] = [];
  for (let next = cron.nextRun(new Date(from)); next !== null && next.getTime() <= until; next = cron.nextRun(next)) {
    found.push(next.toISOString());
  }
  return found;
}

type RolloutSpan = Pick<RolloutView, 'startedAt' | 'endedAt' | 'status'>;

/**
 * How often workers of two generations claimed between one another. While a rollout is under way the
 * claims may pass once to the new release, and once back when it is taken back; anything above that means
 * that both worked at the same time.
 */
export async function countInterleaved(app: Queryable, rollouts: readonly RolloutSpan[]): Promise<number> {
  const claims = await app.query(sql`
    select by, at from action_events where status = 'executing' order by id`);
  const switches: number[] = [];
  let before: string | undefined;
  for (const { by, at } of claims) {
    const release = / worker-(\d+)-/.exec(String(by))?.[1];
    if (release === undefined || !(at instanceof Date)) throw new Error(`a claim by ${String(by)}`);
    if (before !== undefined && before !== release) switches.push(at.getTime());
    before = release;
  }
  const windows = rollouts.map(({ startedAt, endedAt, status }) => ({
    from: Date.parse(startedAt),
    until: Date.parse(endedAt ?? startedAt),
    allowed: status === 'promoted' ? 1 : 2,
  }));
  const within = windows.map(({ from, until }) => switches.filter((at) => at >= from && at <= until).length);
  const outside = switches.length - within.reduce((sum, count) => sum + count, 0);
  return windows.reduce((sum, { allowed }, i) => sum + Math.max(0, (within[i] ?? 0) - allowed), Math.max(0, outside));
}
