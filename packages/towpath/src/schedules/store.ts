import { TowpathError, type Scope } from '../kernel/index.ts';
import { sql, type Queryable, type Row } from '../system/index.ts';

/** A tick that has not ended. */
export interface OpenTick {
  readonly id: number;
  readonly group: string;
  /** ms since the epoch */
  readonly tick: number;
  readonly state: 'claimed' | 'running';
  readonly release: number;
  readonly attempt: number;
  /** Attempts before this one that were ended from outside. */
  readonly interrupted: number;
  /** Undefined: this attempt was never begun. */
  readonly token: string | undefined;
  /** ms since the epoch */
  readonly startedAt: number | undefined;
  /** Why the attempt before this one failed. */
  readonly because: string;
}

const timeOf = (value: unknown): number | undefined => (value instanceof Date ? value.getTime() : undefined);

const openTick = (row: Row): OpenTick => ({
  id: Number(row['id']),
  group: String(row['grp']),
  tick: timeOf(row['tick']) ?? 0,
  state: row['state'] === 'running' ? 'running' : 'claimed',
  release: Number(row['release']),
  attempt: Number(row['attempt']),
  interrupted: Number(row['interrupted']),
  token: typeof row['token'] === 'string' ? row['token'] : undefined,
  startedAt: timeOf(row['started_at']),
  because: String(row['because']),
});

export async function openTicks(database: Queryable, scope: Scope): Promise<readonly OpenTick[]> {
  const rows = await database.query(sql`
    select id, grp, tick, state, release, attempt, interrupted, token, started_at, because from towpath.cron_tick
    where app = ${scope.app} and environment = ${scope.environment} and state in ('claimed', 'running')
    order by tick`);
  return rows.map(openTick);
}

/** Instances of the ticks that succeeded last: a crash may have come before they were forgotten. */
export async function lastDoneTokens(database: Queryable, scope: Scope): Promise<readonly string[]> {
  const rows = await database.query(sql`
    select distinct on (grp) token from towpath.cron_tick
    where app = ${scope.app} and environment = ${scope.environment} and state = 'done' and token is not null
      and ended_at > now() - interval '1 day'
    order by grp, ended_at desc`);
  return rows.map((row) => String(row['token']));
}

/** Where to go on looking for ticks; begins with `now` for a group or a schedule that is new. */
export async function consideredUntil(
  database: Queryable,
  scope: Scope,
  group: string,
  schedule: string,
  now: number,
): Promise<number> {
  const [row] = await database.query(sql`
    insert into towpath.cron_group as known (app, environment, grp, schedule, considered_until)
    values (${scope.app}, ${scope.environment}, ${group}, ${schedule}, ${new Date(now)})
    on conflict (app, environment, grp) do update set
      schedule = excluded.schedule,
      considered_until =
        case when known.schedule = excluded.schedule then known.considered_until else excluded.considered_until end
    returning considered_until`);
  return timeOf(row?.['considered_until']) ?? now;
}

export async function setConsidered(database: Queryable, scope: Scope, group: string, until: number): Promise<void> {
  await database.query(sql`
    update towpath.cron_group set considered_until = ${new Date(until)}
    where app = ${scope.app} and environment = ${scope.environment} and grp = ${group}`);
}

/** Groups that the release has no more start anew when they come back. */
export async function forgetGroups(database: Queryable, scope: Scope, keep: readonly string[]): Promise<void> {
  await database.query(sql`
    delete from towpath.cron_group
    where app = ${scope.app} and environment = ${scope.environment} and not (grp = any(${[...keep]}))`);
}

/** @returns the ticks that are new; the others were claimed or skipped before */
export async function insertTicks(
  database: Queryable,
  scope: Scope,
  group: string,
  ticks: readonly number[],
  state: 'claimed' | 'skipped',
  about: { readonly release: number; readonly epoch: number; readonly because: string },
): Promise<readonly number[]> {
  if (ticks.length === 0) return [];
  const rows = await database.query(sql`
    insert into towpath.cron_tick (app, environment, grp, tick, state, release, epoch, because, ended_at)
    select ${scope.app}, ${scope.environment}, ${group}, t, ${state}, ${about.release}, ${about.epoch}, ${about.because},
      case when ${state} = 'skipped' then now() end
    from unnest(${ticks.map((tick) => new Date(tick))}::timestamptz[]) as t
    on conflict (app, environment, grp, tick) do nothing
    returning tick`);
  return rows.map((row) => timeOf(row['tick']) ?? 0).toSorted((a, b) => a - b);
}

/** What is written about an open tick; members left out stay as they are. */
export interface TickChange {
  readonly state: 'claimed' | 'running' | 'done' | 'failed' | 'skipped';
  readonly release: number;
  readonly attempt: number;
  readonly interrupted: number;
  readonly token: string | undefined;
  readonly startedAt: number | undefined;
  readonly because: string;
}

/** @throws TowpathError `lease.fenced` when a controller with a higher epoch has it; `schedule.tick_over` when it has ended */
export async function changeTick(database: Queryable, id: number, epoch: number, change: TickChange): Promise<void> {
  const ended = change.state === 'done' || change.state === 'failed' || change.state === 'skipped';
  const rows = await database.query(sql`
    update towpath.cron_tick set state = ${change.state}, release = ${change.release}, epoch = ${epoch},
      attempt = ${change.attempt}, interrupted = ${change.interrupted}, token = ${change.token ?? null}, because = ${change.because},
      started_at = ${change.startedAt === undefined ? null : new Date(change.startedAt)},
      ended_at = case when ${ended} then now() end
    where id = ${id} and epoch <= ${epoch} and state in ('claimed', 'running')
    returning id`);
  if (rows.length > 0) return;
  const [row] = await database.query(sql`select epoch from towpath.cron_tick where id = ${id}`);
  if (Number(row?.['epoch'] ?? 0) <= epoch) {
    throw new TowpathError('schedule.tick_over', 'this tick has come to its end already', {
      remedy: 'halt',
      hint: 'nothing to do',
    });
  }
  throw new TowpathError('lease.fenced', 'a newer controller has taken over this tick', {
    remedy: 'halt',
    hint: 'nothing to do: the newer controller goes on with it',
  });
}
