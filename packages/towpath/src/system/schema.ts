import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TowpathError, sha256 } from '../kernel/index.ts';
import type { Database, Session } from './postgres.ts';
import { sql } from './postgres.ts';

/** The folder of our own schema, as installed. */
export const ownSqlDir = (): string => fileURLToPath(new URL('../../sql', import.meta.url));

/** One file `NNNN_name.sql`; its header says `-- phase: expand|contract` and, when it is so, `-- breaking: yes`. */
export interface SchemaFile {
  readonly name: string;
  readonly sha256: string;
  readonly phase: 'expand' | 'contract';
  /** An older Towpath cannot work with a database that has it. */
  readonly breaking: boolean;
  readonly text: string;
}

/** Any number that nobody else uses; all of Towpath's advisory locks have two keys, the first is this. */
const LOCK = [0x70770001, 1] as const;
const FILE = /^\d{4}_[a-z0-9_]+\.sql$/;

/** The files in the order in which they are applied. @throws TowpathError `schema.bad_header` */
export async function readSchemaFiles(dir: string): Promise<readonly SchemaFile[]> {
  const names = (await readdir(dir)).filter((name) => FILE.test(name)).toSorted();
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(dir, name), 'utf8');
      const phase = /^-- phase: (expand|contract)$/m.exec(text)?.[1];
      const breaking = /^-- breaking: (yes|no)$/m.exec(text)?.[1];
      if (phase !== 'expand' && phase !== 'contract') {
        throw new TowpathError('schema.bad_header', `${name} does not say its phase`, {
          remedy: 'fix-input',
          hint: 'begin it with the line "-- phase: expand" or "-- phase: contract"',
        });
      }
      return { name, sha256: sha256(text), phase, breaking: breaking === 'yes', text };
    }),
  );
}

/**
 * Brings the schema `towpath` up to this version: each file once, each in a transaction of its own,
 * whoever else tries at the same time. @returns the names applied now
 * @throws TowpathError `database.newer_schema`, `schema.changed`, `schema.failed`
 */
export async function migrateOwnSchema(database: Database, dir: string = ownSqlDir()): Promise<readonly string[]> {
  const files = await readSchemaFiles(dir);
  const session = await database.session({ name: 'towpath schema' });
  try {
    // Ends with the session, so a killed process leaves no lock behind.
    await session.query(sql`select pg_advisory_lock(${LOCK[0]}, ${LOCK[1]})`);
    return await migrate(session, files);
  } finally {
    await session.close();
  }
}

async function migrate(session: Session, files: readonly SchemaFile[]): Promise<readonly string[]> {
  const [table] = await session.query(sql`select to_regclass('towpath.schema_migration') is not null as present`);
  if (table?.['present'] !== true) {
    await session.script(`
      create schema if not exists towpath;
      create table towpath.schema_migration (
        name text primary key,
        sha256 text not null,
        phase text not null,
        breaking boolean not null,
        applied_at timestamptz not null default now()
      );
    `);
  }
  const rows = await session.query(sql`select name, sha256, breaking from towpath.schema_migration`);
  const applied = new Map(rows.map((row) => [String(row['name']), String(row['sha256'])]));
  const known = new Set(files.map((file) => file.name));
  const newer = rows.filter((row) => row['breaking'] === true && !known.has(String(row['name'])));
  if (newer.length > 0) {
    const names = newer.map((row) => String(row['name'])).join(', ');
    throw new TowpathError('database.newer_schema', `the database was changed by a newer Towpath (${names})`, {
      remedy: 'halt',
      hint: 'use that newer version of Towpath; nothing was changed',
      details: { names },
    });
  }
  const changed = files.find((file) => applied.has(file.name) && applied.get(file.name) !== file.sha256);
  if (changed !== undefined) {
    throw new TowpathError('schema.changed', `${changed.name} is not the file that was applied to this database`, {
      remedy: 'halt',
      hint: 'install Towpath again, or put the change into a new file; nothing was changed',
    });
  }
  const pending = files.filter((file) => !applied.has(file.name));
  for (const file of pending) {
    await session.script('begin');
    try {
      await session.script(file.text);
      await session.query(sql`
        insert into towpath.schema_migration (name, sha256, phase, breaking)
        values (${file.name}, ${file.sha256}, ${file.phase}, ${file.breaking})`);
      await session.script('commit');
    } catch (error) {
      await session.script('rollback').catch(() => {});
      const why = error instanceof Error ? error.message : String(error);
      throw new TowpathError('schema.failed', `${file.name} could not be applied: ${why}`, {
        remedy: 'halt',
        hint: 'it was rolled back; correct what the message names (rights of the database user?) and start again',
        cause: error,
      });
    }
  }
  return pending.map((file) => file.name);
}
