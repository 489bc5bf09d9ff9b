import { TowpathError } from '../kernel/index.ts';
import { lineOfStatement } from './statements.ts';
import type { Migration } from './model.ts';

const ADVICE: Readonly<Record<string, string>> = {
  '42601': 'correct the syntax there',
  '42P01': 'the table does not exist: is it made by a file that sorts later?',
  '42P07': 'it exists already: was it made by hand? write `if not exists`, or drop it',
  '42701': 'the column exists already: was it made by hand? write `if not exists`, or drop it',
  '42703': 'the column does not exist: is it made by a file that sorts later?',
  '42501': 'the database user may not do this: grant it, or use the owner in the URL',
  '23502': 'rows without a value exist: fill them first, then set NOT NULL',
  '23505': 'duplicates exist: remove them first',
  '23514': 'rows that break the check exist: correct them first, or add it NOT VALID',
  '25001':
    'it cannot run in a transaction: put the one statement into a file of its own that begins with -- towpath: no-transaction',
  '57014': 'it took longer than migrations.statementTimeout: raise that, or do the work in batches',
  '53100': 'the disk of the database is full: free space',
};

/** What Postgres said about a file, with its place in it. Everything of the file was rolled back. */
export function migrationFailed(file: Migration, error: unknown): TowpathError {
  const message = error instanceof Error ? error.message : String(error);
  const code = textOf(error, 'code');
  const position = Number(textOf(error, 'position'));
  const line =
    position > 0 ? file.sql.slice(0, position - 1).split('\n').length : lineOfStatement(file.sql, doneBefore(error));
  const near = line === undefined ? undefined : file.sql.split('\n')[line - 1]?.trim().slice(0, 120);
  const place = line === undefined ? file.name : `${file.name}:${line}`;
  const detail = textOf(error, 'detail');
  return new TowpathError(
    'migration.failed',
    `${place}: ${message}${code === undefined ? '' : ` (${code})`}${near === undefined ? '' : ` at: ${near}`}`,
    {
      remedy: 'undo',
      hint: `${(code === undefined ? undefined : ADVICE[code]) ?? `correct ${file.name}`}; then deploy again. The file was rolled back whole`,
      cause: error,
      details: {
        file: file.name,
        ...(code === undefined ? {} : { postgresCode: code }),
        ...(line === undefined ? {} : { line }),
        ...(detail === undefined ? {} : { detail }),
      },
    },
  );
}

export function ownTransaction(file: Migration): TowpathError {
  return new TowpathError('migration.own_transaction', `${file.name} ended the transaction it was run in`, {
    remedy: 'halt',
    hint: `take BEGIN and COMMIT out of ${file.name}; look in the database for what it has committed already`,
  });
}

function doneBefore(error: unknown): number {
  const done: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'statementsDone') : undefined;
  return typeof done === 'number' ? done : -1;
}

function textOf(error: unknown, field: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : undefined;
}
