import { TowpathError, canonicalJson, sha256, type Json, type Scope } from '../kernel/index.ts';
import type { Row } from '../system/index.ts';
import type { Fact, LedgerEntry } from './model.ts';

/** What stands before the first row. */
export const GENESIS = '0'.repeat(64);

/** Where a chain ends; seq 0 and `GENESIS` when it is empty. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** All of a row but its links. */
export interface Claim {
  readonly seq: number;
  readonly at: string;
  readonly scope: Scope | null;
  readonly rollout: number | null;
  readonly actor: string;
  readonly fact: Fact;
}

/**
 * A value as the JSON that can be stored and read again without a change: everything goes by its
 * toJSON, which is where a Secret turns into its name. Postgres takes no NUL and no half of a
 * surrogate pair in a string, so both become U+FFFD before anything is hashed.
 * @throws TowpathError `evidence.not_json`
 */
export function plainJson(value: unknown): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw notJson(cause);
  }
  if (text === undefined) throw notJson(undefined);
  return storable(parseJson(text));
}

const notJson = (cause: unknown): TowpathError =>
  new TowpathError('evidence.not_json', 'a claim for the ledger is not JSON', {
    remedy: 'halt',
    hint: 'record plain values: no bigint, no cycle, no undefined body',
    cause,
  });

export function parseJson(text: string): Json {
  // oxlint-disable-next-line no-unsafe-type-assertion -- what JSON.parse returns is Json by definition
  return JSON.parse(text) as Json;
}

const storableText = (text: string): string => text.toWellFormed().replaceAll('\u0000', '\uFFFD');

function storable(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map((item: Json) => storable(item));
  if (value === null || typeof value !== 'object') return value;
  // fromEntries defines members, so that one named __proto__ stays a member.
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [storableText(key), member === undefined ? null : storable(member)]),
  );
}

/** The text that is hashed together with the previous row's hash. */
export function contentOf(claim: Claim): string {
  return canonicalJson({
    seq: claim.seq,
    at: claim.at,
    scope: claim.scope === null ? null : plainJson(claim.scope),
    rollout: claim.rollout,
    actor: storableText(claim.actor),
    kind: claim.fact.kind,
    body: plainJson(claim.fact.body),
  });
}

export const hashOf = (previous: string, content: string): string => sha256(previous + content);

/** The entry that a hashed text and its links make up. */
export function entryOf(content: string, previous: string, hash: string): LedgerEntry {
  const claim = parseJson(content);
  if (claim === null || typeof claim !== 'object' || Array.isArray(claim)) {
    throw new TowpathError('evidence.damaged', 'a ledger row holds no claim', {
      remedy: 'halt',
      hint: 'run `towpath evidence verify`: it names the rows that were changed',
    });
  }
  // oxlint-disable-next-line no-unsafe-type-assertion -- written by contentOf from a typed fact; verify proves it unchanged
  return Object.assign(claim, { previous, hash }) as unknown as LedgerEntry;
}

/** A column that is text. @throws TowpathError `evidence.damaged` */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new TowpathError('evidence.damaged', `the ledger's column ${column} is not text`, {
    remedy: 'halt',
    hint: 'the schema of towpath.ledger was changed by hand: restore it from packages/towpath/sql',
  });
}

/** The head that a query found. @throws TowpathError `evidence.no_head` */
export function headOf(rows: readonly Row[]): Head {
  const [row] = rows;
  if (row === undefined) {
    throw new TowpathError('evidence.no_head', 'towpath.ledger_head is empty: the end of the ledger is unknown', {
      remedy: 'halt',
      hint: 'somebody removed its row: run `towpath evidence verify`, then restore the control database',
    });
  }
  return { seq: Number(row['seq']), hash: textOf(row, 'hash') };
}
