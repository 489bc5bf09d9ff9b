import { TowpathError } from '../kernel/index.ts';
import { lineOfStatement } from './statements.ts';
import type { Migration } from './model.ts';

const ADVICE: Readonly<Record<string, string>> = {
  '42601': 'correct the syntax there',
  '42P01': 'correct the name of the table, or make it in a file that sorts earlier',
  '42P07': 'write `if not exists`, or drop the one that was made by hand',
  '42701': 'write `if not exists`, or drop the column that was made by hand',
  '42703': 'correct the name of the column, or make it in a file that sorts earlier',
  '42501': 'grant the database user the right to do this, or use the owner in the URL',
  '23502': 'fill the rows without a value first, then set NOT NULL',
  '23505': 'remove the duplicates first',
  '23514': 'correct the rows that break the check first, or add it NOT VALID',
  '25001': 'put the one statement into a file of its own that begins with -- towpath: no-transaction',
  '57014': 'raise migrations.statementTimeout, or do the work in batches',
  '53100': 'free space on the disk of the database',
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
