import { TowpathError } from '../kernel/index.ts';
import { hasCode, sleep, sql, type Clock, type Database, type Session } from '../system/index.ts';
import { blockersOf, describeBlockers, stillThere } from './blockers.ts';
import { runOutside } from './concurrently.ts';
import { migrationFailed, ownTransaction } from './errors.ts';
import { comparePending, doneRow, ensureHistory, readHistory } from './history.ts';
import type { AppliedNow, Blocker, Migration } from './model.ts';

export interface ExpandNeeds {
  /** The app's database. */
  readonly database: Database;
  readonly clock: Pick<Clock, 'elapsed'>;
  /** 0 to 1, for the jitter. */
  readonly random: () => number;
}

export interface ExpandOptions {
  readonly release: number;
  /** lock_timeout of one attempt, milliseconds. */
  readonly lockTimeoutMs: number;
  /** For all attempts at one file, and for the wait behind another deploy, milliseconds. */
  readonly budgetMs: number;
  readonly statementTimeoutMs: number;
  readonly signal?: AbortSignal;
  /** Rejects when the caller may not change anything any more; asked before each commit. */
  readonly fenceCheck?: () => Promise<void>;
  readonly onNote?: (line: string) => void;
  /** After each file that was applied. */
  readonly onApplied?: (applied: AppliedNow) => Promise<void>;
}

export interface Expand {
  /**
   * Applies what is pending, each file once, whoever else tries at the same time; safe to repeat after
   * a crash anywhere. @returns what was applied now
   * @throws TowpathError `migration.changed`, `migration.failed`, `migration.lock_timeout`,
   * `migration.interrupted`, `migration.own_transaction`
   */
  apply(files: readonly Migration[], options: ExpandOptions): Promise<readonly AppliedNow[]>;
}

const LOCK = [0x70770001, 3] as const;
const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 5000;

export function createExpand(needs: ExpandNeeds): Expand {
  return {
    async apply(files, options) {
      const { database } = needs;
      options.signal?.throwIfAborted();
      const session = await database.session({ name: 'towpath migrations' });
      const [me] = await session.query(sql`select pg_backend_pid() as pid`);
      const pid = Number(me?.['pid']);
      const cancel = (): void => {
        // A statement that waits does not see that we went away; this ends it now.
        void database.query(sql`select pg_cancel_backend(${pid})`).catch(() => {});
      };
      options.signal?.addEventListener('abort', cancel, { once: true });
      try {
        await waitForTurn(session, needs, options);
        await ensureHistory(session);
        const rows = await readHistory(session);
        const { files: todo, notes } = comparePending(files, rows);
        for (const note of notes) options.onNote?.(note);
        const applied: AppliedNow[] = [];
        for (const file of todo) {
          const started = needs.clock.elapsed();
          let attempts = 1;
          if (file.transactional) {
            attempts = await applyWithRetries(session, pid, file, needs, options);
          } else {
            const row = rows.find((found) => found.name === file.name);
            try {
              await options.fenceCheck?.();
              await runOutside(session, file, row, options, needs.clock.elapsed);
            } catch (error) {
              options.signal?.throwIfAborted();
              throw error instanceof TowpathError ? error : migrationFailed(file, error);
            }
          }
          const now = { name: file.name, sha256: file.sha256, ms: needs.clock.elapsed() - started, attempts };
          applied.push(now);
          await options.onApplied?.(now);
        }
        return applied;
      } finally {
        options.signal?.removeEventListener('abort', cancel);
        await session.close();
      }
    },
  };
}

/** One deploy migrates at a time. The lock ends with the session, also that of a killed controller. */
async function waitForTurn(session: Session, needs: ExpandNeeds, options: ExpandOptions): Promise<void> {
  const deadline = needs.clock.elapsed() + options.budgetMs;
  for (;;) {
    const [row] = await session.query(sql`select pg_try_advisory_lock(${LOCK[0]}, ${LOCK[1]}) as mine`);
    if (row?.['mine'] === true) return;
    if (needs.clock.elapsed() >= deadline) {
      const [holder] = await session.query(sql`
        select a.pid, a.backend_start::text as since from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.classid = ${LOCK[0]} and l.objid = ${LOCK[1]}
          and l.database = (select oid from pg_database where datname = current_database())`);
      throw new TowpathError(
        'migration.lock_timeout',
        `another deploy is applying migrations to this database (pid ${String(holder?.['pid'])}, since ${String(holder?.['since'])})`,
        { remedy: 'retry', hint: 'wait for it to end, then deploy again; nothing was changed' },
      );
    }
    await sleep(100, options.signal);
  }
}

/** @returns how many attempts it took */
async function applyWithRetries(
  session: Session,
  pid: number,
  file: Migration,
  needs: ExpandNeeds,
  options: ExpandOptions,
): Promise<number> {
  const deadline = needs.clock.elapsed() + options.budgetMs;
  let seen: readonly Blocker[] = [];
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    const watch = watchBlockers(needs.database, pid, options.lockTimeoutMs);
    try {
      await attemptOnce(session, file, needs, options);
      return attempt;
    } catch (error) {
      await session.script('rollback').catch(() => {});
      options.signal?.throwIfAborted();
      if (error instanceof TowpathError) throw error;
      // lock_not_available and deadlock_detected: someone was in the way, and nothing was changed.
      if (!hasCode(error, '55P03', '40P01')) throw migrationFailed(file, error);
      const now = await watch.stop();
      seen = now.length > 0 ? now : seen;
      options.onNote?.(`${file.name}: attempt ${attempt} did not get its locks; ${describeBlockers(seen)}`);
    } finally {
      await watch.stop();
    }
    const backoff = Math.min(BACKOFF_MS * 2 ** (attempt - 1), BACKOFF_MAX_MS) * (0.5 + needs.random());
    await sleep(Math.max(0, Math.min(backoff, deadline - needs.clock.elapsed())), options.signal);
    // Trying again while the same transaction still holds the lock would only queue the app's queries
    // up behind us once more: wait for its end instead.
    while (needs.clock.elapsed() < deadline && (await stillThere(needs.database, seen))) {
      await sleep(Math.min(100, Math.max(0, deadline - needs.clock.elapsed())), options.signal);
    }
    if (needs.clock.elapsed() >= deadline) throw lockTimeout(file, options, attempt, seen);
  }
}

async function attemptOnce(
  session: Session,
  file: Migration,
  needs: ExpandNeeds,
  options: ExpandOptions,
): Promise<void> {
  const started = needs.clock.elapsed();
  await session.script('begin');
  await session.script(
    `set local lock_timeout = ${options.lockTimeoutMs}; set local statement_timeout = ${options.statementTimeoutMs}`,
  );
  const [before] = await session.query(sql`select pg_current_xact_id()::text as id`);
  await session.script(file.sql);
  const [after] = await session.query(sql`select pg_current_xact_id()::text as id`);
  if (before?.['id'] !== after?.['id']) throw ownTransaction(file);
  // The row is in the transaction of the change: there is no moment between the two for a crash.
  await doneRow(session, file, options.release, needs.clock.elapsed() - started);
  await options.fenceCheck?.();
  await session.script('commit');
}

/** Looks several times within one lock_timeout, for afterwards nobody is blocked any more. */
function watchBlockers(
  database: Database,
  pid: number,
  lockTimeoutMs: number,
): { stop(): Promise<readonly Blocker[]> } {
  const over = new AbortController();
  let seen: readonly Blocker[] = [];
  const every = Math.max(10, Math.min(250, lockTimeoutMs / 4));
  const looking = (async () => {
    for (;;) {
      await sleep(every, over.signal);
      const found = await blockersOf(database, pid);
      if (found.length > 0) seen = found;
    }
  })().catch(() => {
    // Stopped, or the view could not be read: the message then says that nobody was seen.
  });
  return {
    async stop() {
      over.abort();
      await looking;
      return seen;
    },
  };
}

function lockTimeout(
  file: Migration,
  options: ExpandOptions,
  attempts: number,
  blockers: readonly Blocker[],
): TowpathError {
  return new TowpathError(
    'migration.lock_timeout',
    `${file.name} did not get its locks within ${options.budgetMs} ms (${attempts} attempts): ${describeBlockers(blockers)}`,
    {
      remedy: 'undo',
      hint:
        blockers.length === 0
          ? 'look for long transactions in pg_stat_activity, then deploy again; nothing was changed'
          : `end that transaction (select pg_terminate_backend(${blockers[0]?.pid})) or wait for it, then deploy again; nothing was changed`,
      details: { file: file.name, attempts, blockers },
    },
  );
}
