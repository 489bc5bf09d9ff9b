import { TowpathError } from '../kernel/index.ts';
import { sql, type Queryable } from '../system/index.ts';
import type { AppliedRow, Migration, Pending } from './model.ts';

/** Creates the history in the app's own database: it belongs to the data, and is backed up with it. */
export async function ensureHistory(database: Queryable): Promise<void> {
  await database.query(sql`
    create table if not exists public.towpath_migrations (
      name text primary key,
      sha256 text not null,
      applied_at timestamptz not null default now(),
      release bigint not null,
      ms integer not null,
      state text not null default 'done' check (state in ('running', 'done'))
    )`);
}

export async function readHistory(database: Queryable): Promise<readonly AppliedRow[]> {
  const [table] = await database.query(sql`select to_regclass('public.towpath_migrations') is not null as present`);
  if (table?.['present'] !== true) return [];
  const rows = await database.query(sql`select name, sha256, state from public.towpath_migrations order by name`);
  return rows.map((row) => ({
    name: String(row['name']),
    sha256: String(row['sha256']),
    state: row['state'] === 'running' ? 'running' : 'done',
  }));
}

export async function beginRow(database: Queryable, file: Migration, release: number): Promise<void> {
  await database.query(sql`
    insert into public.towpath_migrations (name, sha256, release, ms, state)
    values (${file.name}, ${file.sha256}, ${release}, 0, 'running')`);
}

export async function doneRow(database: Queryable, file: Migration, release: number, ms: number): Promise<void> {
  await database.query(sql`
    insert into public.towpath_migrations (name, sha256, release, ms)
    values (${file.name}, ${file.sha256}, ${release}, ${Math.round(ms)})
    on conflict (name) do update set ms = excluded.ms, state = 'done', applied_at = now()
    where towpath_migrations.state = 'running'`);
}

export async function dropRunningRow(database: Queryable, name: string): Promise<void> {
  await database.query(sql`delete from public.towpath_migrations where name = ${name} and state = 'running'`);
}

/**
 * Which files are still to be applied.
 * @throws TowpathError `migration.changed`
 */
export function comparePending(files: readonly Migration[], applied: readonly AppliedRow[]): Pending {
  const known = new Map(applied.map((row) => [row.name, row]));
  const changed = files.filter((file) => {
    const row = known.get(file.name);
    return row !== undefined && row.sha256 !== file.sha256;
  });
  if (changed.length > 0) {
    const names = changed.map((file) => file.name).join(', ');
    throw new TowpathError('migration.changed', `${names} changed after being applied to this database`, {
      remedy: 'fix-input',
      hint: 'restore the applied text (git log -p shows it) and put the change into a new file; nothing was run',
      details: { names },
    });
  }
  const todo = files.filter((file) => known.get(file.name)?.state !== 'done');
  const newest = applied.filter((row) => row.state === 'done').at(-1)?.name;
  const late = newest === undefined ? [] : todo.filter((file) => file.name < newest);
  return {
    files: todo,
    notes: late.map((file) => `${file.name} sorts before ${newest}, which is applied already; it runs after it here`),
  };
}

/** What a deploy would apply now; changes nothing. @throws TowpathError `migration.changed` */
export async function pending(database: Queryable, files: readonly Migration[]): Promise<Pending> {
  return comparePending(files, await readHistory(database));
}
