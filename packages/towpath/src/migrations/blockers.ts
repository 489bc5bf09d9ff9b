import { sql, type Queryable } from '../system/index.ts';
import type { Blocker } from './model.ts';

/** Who blocks the session with this pid now, seen from another connection. */
export async function blockersOf(database: Queryable, pid: number): Promise<readonly Blocker[]> {
  const rows = await database.query(sql`
    select pid, application_name, coalesce(state, '') as state, query, coalesce(xact_start, backend_start) as since
    from pg_stat_activity where pid = any(pg_blocking_pids(${pid}))`);
  return rows.map((row) => ({
    pid: Number(row['pid']),
    application: String(row['application_name']),
    state: String(row['state']),
    query: String(row['query']).replaceAll(/\s+/g, ' ').trim().slice(0, 120),
    since: row['since'] instanceof Date ? row['since'].toISOString() : '',
  }));
}

/** Whether any of these is still in the transaction in which it blocked us. */
export async function stillThere(database: Queryable, blockers: readonly Blocker[]): Promise<boolean> {
  if (blockers.length === 0) return false;
  const rows = await database.query(sql`
    select pid, coalesce(xact_start, backend_start) as since from pg_stat_activity
    where pid = any(${blockers.map((blocker) => blocker.pid)}) and xact_start is not null`);
  return rows.some((row) =>
    blockers.some(
      (blocker) =>
        blocker.pid === Number(row['pid']) &&
        row['since'] instanceof Date &&
        row['since'].toISOString() === blocker.since,
    ),
  );
}

/** For an error message. */
export function describeBlockers(blockers: readonly Blocker[]): string {
  if (blockers.length === 0) return 'who holds it could not be seen';
  return blockers
    .map(
      ({ pid, application, state, query, since }) =>
        `pid ${pid}${application === '' ? '' : ` (${application})`}, ${state}, in a transaction since ${since}: ${query}`,
    )
    .join('; ');
}
