import type { Scope } from '../kernel/index.ts';
import { fragment, sql, type Database, type Queryable } from '../system/index.ts';
import type { Anchor } from './anchor.ts';
import type { Fact, LedgerEntry, Record } from './model.ts';
import { contentOf, entryOf, hashOf, headOf, textOf, type Head } from './row.ts';
import { verifyChain, type Verification } from './verify.ts';

/** The channel that carries the seq of every new row. */
export const LEDGER_CHANNEL = 'towpath_ledger';

/** About whom and what a fact is. */
export type About = Parameters<Record>[1];

export interface Reading {
  readonly rollout?: number;
  readonly scope?: Scope;
  /** Only rows with a greater seq. */
  readonly after?: number;
  readonly limit: number;
}

export interface Ledger {
  /** Appends one row in a transaction of its own. */
  readonly record: Record;
  /**
   * Appends one row in the caller's transaction. Holds the ledger's lock until that ends: call it
   * last, and keep the rest short.
   */
  recordIn(tx: Queryable, fact: Fact, about: About): Promise<LedgerEntry>;
  /** Rows by rising seq. */
  read(reading: Reading): Promise<readonly LedgerEntry[]>;
  /**
   * All rows of one rollout, those that made the releases it goes from and to, and what happened around
   * it meanwhile: to instances, leases, failed ticks and the control plane.
   */
  story(rollout: number): Promise<readonly LedgerEntry[]>;
  /** Reads the whole chain, in batches and one snapshot, and explains each row that does not fit. */
  verify(): Promise<Verification>;
  head(): Promise<Head>;
}

export interface LedgerNeeds {
  readonly database: Database;
  /** ms since the epoch */
  readonly now: () => number;
  /** Where the head is also kept, outside of the database. */
  readonly anchor?: Anchor;
}

const PAGE = 1000;

/** The append-only record of everything that was decided, done and measured. */
export function createLedger({ database, now, anchor }: LedgerNeeds): Ledger {
  /** The last row that this process has committed. */
  let known: Head | undefined;
  /** Whether the end of the ledger was seen to be cut off: the anchor then keeps what it has. */
  let cut = false;
  let checked: Promise<boolean> | undefined;

  /** Whether the anchor's row is still there. If not, to move the anchor would wipe out the proof of that. */
  const anchorHolds = async (): Promise<boolean> => {
    const anchored = await anchor?.read();
    if (anchored === undefined || anchored.seq === 0) return true;
    const [row] = await database.query(sql`select hash from towpath.ledger where seq = ${anchored.seq}`);
    return row?.['hash'] === anchored.hash;
  };

  const recordIn = async (tx: Queryable, fact: Fact, about: About): Promise<LedgerEntry> => {
    // Locks the one row of the head: appends queue here, each sees the hash that the one before it left.
    const head = headOf(await tx.query(sql`select seq, hash from towpath.ledger_head for update`));
    if (known !== undefined && (head.seq < known.seq || (head.seq === known.seq && head.hash !== known.hash)))
      cut = true;
    const seq = head.seq + 1;
    const at = new Date(now()).toISOString();
    const scope = about.scope ?? null;
    const rollout = about.rollout ?? null;
    const content = contentOf({ seq, at, scope, rollout, actor: about.actor, fact });
    const hash = hashOf(head.hash, content);
    await tx.query(sql`
      with head as (update towpath.ledger_head set seq = ${seq}, hash = ${hash})
      insert into towpath.ledger (seq, at, app, environment, rollout, actor, kind, body, previous, hash, content)
      select ${seq}, (c->>'at')::timestamptz, c->'scope'->>'app', c->'scope'->>'environment',
             (c->>'rollout')::bigint, c->>'actor', c->>'kind', c->'body', ${head.hash}, ${hash}, ${content}
        from (select ${content}::jsonb as c) as claim
      returning pg_notify(${LEDGER_CHANNEL}, seq::text)`);
    return entryOf(content, head.hash, hash);
  };

  const read = async ({ rollout, scope, after = 0, limit }: Reading): Promise<readonly LedgerEntry[]> => {
    const ofRollout = rollout === undefined ? fragment`` : fragment`and rollout = ${rollout}`;
    const ofScope =
      scope === undefined ? fragment`` : fragment`and app = ${scope.app} and environment = ${scope.environment}`;
    const rows = await database.query(sql`
      select content, previous, hash from towpath.ledger
       where seq > ${after} ${ofRollout} ${ofScope} order by seq limit ${limit}`);
    return rows.map((row) => entryOf(textOf(row, 'content'), textOf(row, 'previous'), textOf(row, 'hash')));
  };

  return {
    async record(fact, about) {
      const entry = await database.transaction((tx) => recordIn(tx, fact, about));
      if (entry.seq > (known?.seq ?? 0)) known = { seq: entry.seq, hash: entry.hash };
      checked ??= anchorHolds().catch(() => false);
      if ((await checked) && !cut) anchor?.write({ seq: entry.seq, hash: entry.hash });
      return entry;
    },
    recordIn,
    read,
    async story(rollout) {
      const entries: LedgerEntry[] = [];
      for (let after = 0; ;) {
        const page = await read({ rollout, after, limit: PAGE });
        entries.push(...page);
        const last = page.at(-1);
        if (last === undefined || page.length < PAGE) break;
        after = last.seq;
      }
      return [...(await companionsOf(database, entries)), ...entries].sort((a, b) => a.seq - b.seq);
    },
    // The anchor is read first: it may lag behind the rows, never run ahead of them.
    async verify() {
      const anchored = await anchor?.read();
      return await database.transaction((tx) => verifyChain(tx, anchored));
    },
    head: async () => headOf(await database.query(sql`select seq, hash from towpath.ledger_head`)),
  };
}

/** Rows that belong to a rollout's story without being its own. */
async function companionsOf(database: Queryable, entries: readonly LedgerEntry[]): Promise<readonly LedgerEntry[]> {
  const started =
    entries.findLast((entry) => entry.kind === 'rollout.planned') ??
    entries.find((entry) => entry.kind === 'rollout.started');
  if (started?.scope == null || (started.kind !== 'rollout.started' && started.kind !== 'rollout.planned')) return [];
  const { app, environment } = started.scope;
  const [first, last] = [entries[0]?.seq ?? 0, entries.at(-1)?.seq ?? 0];
  const releases = [started.body.from, started.body.to].filter((release) => release !== null);
  const rows = await database.query(sql`
    select content, previous, hash from towpath.ledger
     where rollout is distinct from ${started.rollout} and (
             (kind = 'release.created' and app = ${app} and environment = ${environment}
               and (body->>'release')::bigint = any(${releases}::bigint[]))
          or (seq between ${first} and ${last} and (app = ${app} and environment = ${environment} or app is null)
               and (kind in ('instance', 'lease.taken', 'control.started') or kind = 'tick' and body->>'event' = 'failed')))
     order by seq`);
  return rows.map((row) => entryOf(textOf(row, 'content'), textOf(row, 'previous'), textOf(row, 'hash')));
}
