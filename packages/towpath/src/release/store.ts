import { TowpathError, type Fence, type Json, type Scope, scopeKey } from '../kernel/index.ts';
import { sql, type Database, type Row } from '../system/index.ts';
import type { Bundle, EnvironmentState, Release, ReleaseSource } from './model.ts';

/* oxlint-disable no-unsafe-type-assertion -- these columns are written by this file alone, from the same types */
const toRelease = (row: Row): Release => ({
  number: Number(row['number']),
  source: row['source'] as ReleaseSource,
  artifact: String(row['artifact']),
  location: String(row['location']),
  config: row['config'] as Release['config'],
  configHash: String(row['config_hash']),
  migrations: row['migrations'] as Release['migrations'],
  buildMs: Number(row['build_ms']),
  createdAt: row['created_at'] as Date,
});
const toState = (row: Row | undefined): EnvironmentState => ({
  serving: (row?.['serving'] ?? null) as number | null,
  servingRun: (row?.['serving_run'] ?? null) as number | null,
  cronRelease: (row?.['cron_release'] ?? null) as number | null,
  cronRun: (row?.['cron_run'] ?? null) as number | null,
  deploysPaused: (row?.['deploys_paused'] ?? null) as string | null,
});
/* oxlint-enable no-unsafe-type-assertion */

/** SQL of the tables release, environment and meter. */
export function createReleaseStore(database: Database, scope: Scope) {
  const { app, environment } = scope;
  return {
    /** Takes the next number. */
    async open(source: ReleaseSource): Promise<number> {
      return await database.transaction(async (tx) => {
        await tx.query(sql`select pg_advisory_xact_lock(hashtextextended(${`towpath:release:${app}`}, 0))`);
        const [row] = await tx.query(sql`
          insert into towpath.release (app, number, source)
          select ${app}, coalesce(max(number), 0) + 1, ${JSON.stringify(source)} from towpath.release where app = ${app}
          returning number`);
        return Number(row?.['number']);
      });
    },
    /** The number that the next release will get, for a plan. */
    async nextNumber(): Promise<number> {
      const [row] = await database.query(
        sql`select coalesce(max(number), 0) + 1 as n from towpath.release where app = ${app}`,
      );
      return Number(row?.['n']);
    },
    async source(number: number): Promise<ReleaseSource | undefined> {
      const [row] = await database.query(
        sql`select source from towpath.release where app = ${app} and number = ${number}`,
      );
      // oxlint-disable-next-line no-unsafe-type-assertion -- written by open() from this type
      return row?.['source'] as ReleaseSource | undefined;
    },
    async fill(number: number, bundle: Bundle, buildMs: number): Promise<void> {
      await database.query(sql`
        update towpath.release
           set artifact = ${bundle.artifact}, location = ${bundle.location}, config = ${JSON.stringify(bundle.config)},
               config_hash = ${bundle.configHash}, migrations = ${JSON.stringify(bundle.migrations)},
               build_ms = ${Math.round(buildMs)}
         where app = ${app} and number = ${number} and artifact is null`);
    },
    /** A built release. */
    async find(number: number): Promise<Release | undefined> {
      const [row] = await database.query(
        sql`select * from towpath.release where app = ${app} and number = ${number} and artifact is not null`,
      );
      return row === undefined ? undefined : toRelease(row);
    },
    /** @throws TowpathError `release.unknown` */
    async get(number: number): Promise<Release> {
      const found = await this.find(number);
      if (found !== undefined) return found;
      throw new TowpathError('release.unknown', `there is no built release ${number}`, {
        remedy: 'fix-input',
        hint: 'see `towpath releases` for those there are',
      });
    },
    async list(limit: number): Promise<readonly Release[]> {
      const rows = await database.query(
        sql`select * from towpath.release where app = ${app} and artifact is not null order by number desc limit ${limit}`,
      );
      return rows.map(toRelease);
    },
    async state(): Promise<EnvironmentState> {
      const [row] = await database.query(
        sql`select * from towpath.environment where app = ${app} and environment = ${environment}`,
      );
      return toState(row);
    },
    /** Changes what the environment is meant to run; refused with an old epoch. */
    async setState(change: Partial<EnvironmentState>, fence: Fence): Promise<void> {
      const now = { ...(await this.state()), ...change };
      const [row] = await database.query(sql`
        insert into towpath.environment as e (app, environment, serving, serving_run, cron_release, cron_run, deploys_paused)
        select ${app}, ${environment}, ${now.serving}::int, ${now.servingRun}::bigint, ${now.cronRelease}::int,
               ${now.cronRun}::bigint, ${now.deploysPaused}::text
         where exists (select 1 from towpath.lease where key = ${scopeKey(scope)} and epoch = ${fence.epoch} and expires_at > clock_timestamp())
        on conflict (app, environment) do update
          set serving = excluded.serving, serving_run = excluded.serving_run, cron_release = excluded.cron_release,
              cron_run = excluded.cron_run, deploys_paused = excluded.deploys_paused
        returning app`);
      if (row === undefined) {
        throw new TowpathError('lease.fenced', `the lease on ${scopeKey(scope)} has passed to another controller`, {
          remedy: 'retry',
          hint: 'nothing to do: the controller that holds it goes on',
        });
      }
    },
    /** A person may lift the pause whoever leads. */
    async liftPause(): Promise<void> {
      await database.query(
        sql`update towpath.environment set deploys_paused = null where app = ${app} and environment = ${environment}`,
      );
    },
    async meter(run: number): Promise<Json> {
      const [row] = await database.query(sql`select state from towpath.meter where run = ${run}`);
      // oxlint-disable-next-line no-unsafe-type-assertion -- jsonb is JSON
      return (row?.['state'] ?? null) as Json;
    },
    async setMeter(run: number, state: Json): Promise<void> {
      await database.query(sql`
        insert into towpath.meter (run, state) values (${run}, ${JSON.stringify(state)})
        on conflict (run) do update set state = excluded.state`);
    },
  };
}

export type ReleaseStore = ReturnType<typeof createReleaseStore>;
