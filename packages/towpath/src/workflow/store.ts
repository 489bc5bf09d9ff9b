import { TowpathError, type ErrorBody, type Fence, type Json } from '../kernel/index.ts';
import { fragment, hasCode, sql, type Database, type Queryable, type Row, type Statement } from '../system/index.ts';
import type { RunStatus, SignalName } from './model.ts';

export interface StoredRun {
  readonly id: number;
  readonly subject: string;
  readonly status: RunStatus | 'waiting';
  readonly input: Json;
  readonly actor: string;
  readonly paused: boolean;
  readonly promote: boolean;
  readonly because: string | null;
  readonly error: ErrorBody | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

export interface StoredStep {
  readonly index: number;
  readonly name: string;
  readonly input: Json;
  readonly state: 'pending' | 'doing' | 'done' | 'undoing' | 'undone' | 'failed';
  readonly attempt: number;
  readonly since: Date | null;
  readonly endedAt: Date | null;
  readonly memory: Json;
}

export interface NewStep {
  readonly name: string;
  readonly input: Json;
}

/* Rows come from tables that only this file writes, with checks on every enumerated column. */
/* oxlint-disable no-unsafe-type-assertion -- see above: the parse is the table's own constraint */
const toRun = (row: Row): StoredRun => ({
  id: Number(row['id']),
  subject: String(row['subject']),
  status: row['status'] as StoredRun['status'],
  input: row['input'] as Json,
  actor: String(row['actor']),
  paused: row['paused'] === true,
  promote: row['promote'] === true,
  because: row['because'] as string | null,
  error: row['error'] as ErrorBody | null,
  createdAt: row['created_at'] as Date,
  endedAt: row['ended_at'] as Date | null,
});
const toStep = (row: Row): StoredStep => ({
  index: Number(row['index']),
  name: String(row['name']),
  input: row['input'] as Json,
  state: row['state'] as StoredStep['state'],
  attempt: Number(row['attempt']),
  since: row['since'] as Date | null,
  endedAt: row['ended_at'] as Date | null,
  memory: row['memory'] as Json,
});
/* oxlint-enable no-unsafe-type-assertion */

const json = (value: unknown): string => JSON.stringify(value ?? null);

/** SQL of the tables run, step and signal. Writes of a run carry the epoch and fail when it is old. */
export function createStore(database: Database) {
  const fenced = (subject: string, fence: Fence): Statement =>
    fragment`exists (select 1 from towpath.lease where key = ${subject} and epoch = ${fence.epoch} and expires_at > clock_timestamp())`;
  const must = async (from: Queryable, statement: Statement, subject: string): Promise<Row> => {
    const [row] = await from.query(statement);
    if (row === undefined) {
      throw new TowpathError('lease.fenced', `the lease on ${subject} has passed to another controller`, {
        remedy: 'retry',
        hint: 'nothing to do: the controller that holds it goes on',
      });
    }
    return row;
  };
  const notify = (subject: string): Promise<readonly Row[]> =>
    database.query(sql`select pg_notify('towpath_run', ${subject})`);

  async function begin(
    tx: Queryable,
    run: StoredRun,
    index: number,
    fence: Fence,
    state: 'doing' | 'undoing',
  ): Promise<StoredStep & { readonly ageMs: number }> {
    const row = await must(
      tx,
      // The clock of a step starts anew when it begins to be undone.
      sql`update towpath.step
               set state = ${state}, attempt = case when state in (${state}, 'failed') then attempt + 1 else 1 end,
                   since = case when state = ${state} then since else clock_timestamp() end,
                   memory = case when state = ${state} then memory else null end
             where run = ${run.id} and index = ${index} and ${fenced(run.subject, fence)}
             returning *, greatest(0, extract(epoch from clock_timestamp() - since) * 1000)::float8 as age_ms`,
      run.subject,
    );
    return { ...toStep(row), ageMs: Number(row['age_ms']) };
  }

  return {
    /** @throws the database's 23505 as undefined: another run is active */
    async insertRun(
      run: { subject: string; input: Json; actor: string; wait: boolean },
      steps: readonly NewStep[],
    ): Promise<StoredRun | undefined> {
      try {
        const stored = await database.transaction(async (tx) => {
          const [row] = await tx.query(sql`
            insert into towpath.run (subject, status, input, actor, started_at)
            values (${run.subject}, ${run.wait ? 'waiting' : 'running'}, ${json(run.input)}, ${run.actor},
                    ${run.wait ? fragment`null` : fragment`clock_timestamp()`})
            returning *`);
          if (row === undefined) throw new Error('insert returned nothing');
          const made = toRun(row);
          await insertSteps(tx, made.id, 0, steps);
          return made;
        });
        await notify(run.subject);
        return stored;
      } catch (error) {
        if (hasCode(error, '23505')) return undefined;
        throw error;
      }
    },
    async active(subject: string): Promise<StoredRun | undefined> {
      const [row] = await database.query(
        sql`select * from towpath.run where subject = ${subject} and status in ('running', 'undoing')`,
      );
      return row === undefined ? undefined : toRun(row);
    },
    async latest(subject: string): Promise<StoredRun | undefined> {
      const [row] = await database.query(
        sql`select * from towpath.run where subject = ${subject} order by status in ('running', 'undoing') desc, id desc limit 1`,
      );
      return row === undefined ? undefined : toRun(row);
    },
    async list(subject: string, limit: number): Promise<readonly StoredRun[]> {
      const rows = await database.query(
        sql`select * from towpath.run where subject = ${subject} order by id desc limit ${limit}`,
      );
      return rows.map(toRun);
    },
    async run(id: number): Promise<StoredRun | undefined> {
      const [row] = await database.query(sql`select * from towpath.run where id = ${id}`);
      return row === undefined ? undefined : toRun(row);
    },
    async steps(run: number): Promise<readonly StoredStep[]> {
      return (await database.query(sql`select * from towpath.step where run = ${run} order by index`)).map(toStep);
    },
    async unclosed(subject: string): Promise<readonly StoredRun[]> {
      const rows = await database.query(
        sql`select * from towpath.run where subject = ${subject} and ended_at is not null and closed_at is null order by id`,
      );
      return rows.map(toRun);
    },
    /** Starts the run that has waited longest, when nothing is active. */
    async startWaiting(subject: string, fence: Fence): Promise<StoredRun | undefined> {
      try {
        const [row] = await database.query(sql`
          update towpath.run set status = 'running', started_at = clock_timestamp()
           where id = (select id from towpath.run where subject = ${subject} and status = 'waiting' order by id limit 1)
             and not exists (select 1 from towpath.run where subject = ${subject} and status in ('running', 'undoing'))
             and ${fenced(subject, fence)}
          returning *`);
        return row === undefined ? undefined : toRun(row);
      } catch (error) {
        if (hasCode(error, '23505')) return undefined;
        throw error;
      }
    },
    async setStatus(
      run: StoredRun,
      fence: Fence,
      to: { status: RunStatus; because?: string; error?: ErrorBody },
    ): Promise<StoredRun> {
      const ended = to.status === 'done' || to.status === 'undone' || to.status === 'failed';
      const row = await must(
        database,
        sql`update towpath.run
               set status = ${to.status}, because = coalesce(${to.because ?? null}, because),
                   error = coalesce(${to.error === undefined ? null : json(to.error)}::jsonb, error),
                   ended_at = ${ended ? fragment`clock_timestamp()` : fragment`null`}
             where id = ${run.id} and ${fenced(run.subject, fence)} returning *`,
        run.subject,
      );
      await notify(run.subject);
      return toRun(row);
    },
    async setClosed(run: StoredRun, fence: Fence): Promise<void> {
      await must(
        database,
        sql`update towpath.run set closed_at = clock_timestamp() where id = ${run.id} and ${fenced(run.subject, fence)} returning id`,
        run.subject,
      );
    },
    /**
     * Begins a step; with `unlessAborted` only when no abort has come. An abort and the beginning of a step
     * wait for each other, so one that was accepted always comes before the point of no return.
     * @returns the step, and how many milliseconds ago it was first begun by the database's clock
     */
    async beginStep(
      run: StoredRun,
      index: number,
      fence: Fence,
      state: 'doing' | 'undoing',
      unlessAborted: boolean,
    ): Promise<(StoredStep & { readonly ageMs: number }) | { readonly aborted: Abort }> {
      return await database.transaction(async (tx) => {
        if (unlessAborted) {
          await tx.query(sql`select from towpath.run where id = ${run.id} for update`);
          const abort = await firstAbort(tx, run.id);
          if (abort !== undefined) return { aborted: abort };
        }
        return await begin(tx, run, index, fence, state);
      });
    },
    async endStep(
      run: StoredRun,
      index: number,
      fence: Fence,
      state: 'done' | 'undone' | 'failed',
      more: readonly NewStep[] = [],
    ): Promise<void> {
      await database.transaction(async (tx) => {
        await must(
          tx,
          sql`update towpath.step set state = ${state}, ended_at = clock_timestamp()
               where run = ${run.id} and index = ${index} and ${fenced(run.subject, fence)} returning index`,
          run.subject,
        );
        await insertSteps(tx, run.id, index + 1, more);
      });
    },
    async remember(run: StoredRun, index: number, fence: Fence, memory: Json): Promise<void> {
      await must(
        database,
        sql`update towpath.step set memory = ${json(memory)}
             where run = ${run.id} and index = ${index} and ${fenced(run.subject, fence)} returning index`,
        run.subject,
      );
    },
    /**
     * pause, resume and promote change the run; abort turns it back.
     * @param committing steps from whose beginning a run only goes forward
     * @returns false when an abort comes after the beginning of one of them: nothing has changed then
     */
    async signal(
      run: StoredRun,
      signal: { name: SignalName; actor: string; reason: string },
      committing: readonly string[],
    ): Promise<boolean> {
      const accepted = await database.transaction(async (tx) => {
        if (signal.name === 'abort') {
          await tx.query(sql`select from towpath.run where id = ${run.id} for update`);
          const [committed] = await tx.query(
            sql`select 1 from towpath.step where run = ${run.id} and state <> 'pending' and name = any(${committing}) limit 1`,
          );
          if (committed !== undefined) return false;
        }
        await tx.query(
          sql`insert into towpath.signal (run, name, actor, reason) values (${run.id}, ${signal.name}, ${signal.actor}, ${signal.reason})`,
        );
        if (signal.name === 'pause') await tx.query(sql`update towpath.run set paused = true where id = ${run.id}`);
        if (signal.name === 'resume') await tx.query(sql`update towpath.run set paused = false where id = ${run.id}`);
        if (signal.name === 'promote') {
          await tx.query(sql`update towpath.run set promote = true, paused = false where id = ${run.id}`);
        }
        if (signal.name === 'abort' && run.status === 'waiting') {
          await tx.query(sql`
            update towpath.run set status = 'undone', because = ${signal.reason}, ended_at = clock_timestamp()
             where id = ${run.id} and status = 'waiting'`);
        }
        return true;
      });
      await notify(run.subject);
      return accepted;
    },
    aborted: (run: number): Promise<Abort | undefined> => firstAbort(database, run),
  };
}

/** Who asked for a run to be taken back, and why. */
export interface Abort {
  readonly actor: string;
  readonly reason: string;
}

async function firstAbort(from: Queryable, run: number): Promise<Abort | undefined> {
  const [row] = await from.query(
    sql`select actor, reason from towpath.signal where run = ${run} and name = 'abort' order by id limit 1`,
  );
  return row === undefined ? undefined : { actor: String(row['actor']), reason: String(row['reason']) };
}

async function insertSteps(tx: Queryable, run: number, from: number, steps: readonly NewStep[]): Promise<void> {
  for (const [offset, step] of steps.entries()) {
    await tx.query(sql`
      insert into towpath.step (run, index, name, input) values (${run}, ${from + offset}, ${step.name}, ${json(step.input)})
      on conflict (run, index) do nothing`);
  }
}

export type Store = ReturnType<typeof createStore>;
