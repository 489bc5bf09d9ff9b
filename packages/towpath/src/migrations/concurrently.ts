import { TowpathError } from '../kernel/index.ts';
import { sql, type Session } from '../system/index.ts';
import { beginRow, doneRow, dropRunningRow } from './history.ts';
import type { AppliedRow, Migration } from './model.ts';

const CREATE_INDEX =
  /\bcreate\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(?<name>"[^"]+"|\w+)\s+on\s+(?:only\s+)?(?<table>(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)/i;

export interface OwnStatement {
  readonly release: number;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/**
 * Runs a file that cannot be in a transaction. Its row is written before as `running`, so that a crash
 * in between is seen; what an interrupted CREATE INDEX CONCURRENTLY leaves is found out and cleared by
 * itself, and anything else is a named state for a person.
 * @throws TowpathError `migration.interrupted`; what Postgres said, as it said it
 */
export async function runOutside(
  session: Session,
  file: Migration,
  row: AppliedRow | undefined,
  options: OwnStatement,
  elapsed: () => number,
): Promise<void> {
  const index = CREATE_INDEX.exec(file.sql.replaceAll(/--[^\n]*/g, ''))?.groups;
  if (row !== undefined) {
    if (index === undefined) throw interrupted(file);
    const left = await indexState(session, index['name'] ?? '', index['table'] ?? '');
    if (left === 'valid') {
      await doneRow(session, file, options.release, 0);
      return;
    }
    if (left === 'invalid') await dropIndex(session, index['name'] ?? '', index['table'] ?? '');
    await dropRunningRow(session, file.name);
  }
  await beginRow(session, file, options.release);
  // CONCURRENTLY waits for every older snapshot, and lock_timeout would count that wait: a short one
  // leaves an invalid index behind. It queues nobody up meanwhile, so it may wait.
  const lock = /\bconcurrently\b/i.test(file.sql) ? 0 : options.lockTimeoutMs;
  await session.script(`set lock_timeout = ${lock}; set statement_timeout = ${options.statementTimeoutMs}`);
  const started = elapsed();
  try {
    await session.script(file.sql);
  } catch (error) {
    await session.script('reset lock_timeout; reset statement_timeout');
    if (index !== undefined && (await indexState(session, index['name'] ?? '', index['table'] ?? '')) === 'invalid') {
      await dropIndex(session, index['name'] ?? '', index['table'] ?? '');
    }
    // A single statement that failed left nothing, except another CONCURRENTLY: that keeps its row.
    if (index !== undefined || lock !== 0) await dropRunningRow(session, file.name);
    throw error;
  }
  await session.script('reset lock_timeout; reset statement_timeout');
  await doneRow(session, file, options.release, elapsed() - started);
}

async function indexState(session: Session, name: string, table: string): Promise<'none' | 'valid' | 'invalid'> {
  const [row] = await session.query(sql`
    select i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = to_regclass(${table}) and c.relname = ${unquote(name)}`);
  if (row === undefined) return 'none';
  return row['valid'] === true ? 'valid' : 'invalid';
}

async function dropIndex(session: Session, name: string, table: string): Promise<void> {
  const schema = /^("[^"]+"|\w+)\./.exec(table)?.[1];
  await session.script(`drop index concurrently if exists ${schema === undefined ? '' : `${schema}.`}${name}`);
}

const unquote = (name: string): string => (name.startsWith('"') ? name.slice(1, -1) : name.toLowerCase());

function interrupted(file: Migration): TowpathError {
  return new TowpathError(
    'migration.interrupted',
    `${file.name} runs without a transaction and was interrupted; whether it took effect is not known`,
    {
      remedy: 'halt',
      hint:
        `look in the database; if its effect is there: update towpath_migrations set state = 'done' where name = '${file.name}'; ` +
        `if not: delete from towpath_migrations where name = '${file.name}'; then deploy again`,
      details: { name: file.name, state: 'running' },
    },
  );
}
