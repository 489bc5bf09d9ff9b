import { canonicalJson, type Json } from '../kernel/index.ts';
import { sql, type Queryable, type Row } from '../system/index.ts';
import { GENESIS, hashOf, parseJson, plainJson, textOf, type Head } from './row.ts';

export interface Problem {
  readonly seq: number;
  /** A sentence that a person can check. */
  readonly problem: string;
}

export interface Verification {
  readonly intact: boolean;
  readonly rows: number;
  /** Hash of the last row; null when there is none. */
  readonly head: string | null;
  readonly problems: readonly Problem[];
}

const BATCH = 500;
/** One change breaks few rows; a list longer than this helps nobody. */
const MOST_PROBLEMS = 100;

/**
 * Reads the whole ledger in batches, in bounded memory, and explains every row that does not fit.
 * @param tx a fresh transaction: it is put into one snapshot, so that rows appended meanwhile do not disturb
 * @param anchored the head as it is kept outside of the database, read before
 */
export async function verifyChain(tx: Queryable, anchored: Head | undefined): Promise<Verification> {
  await tx.query(sql`set transaction isolation level repeatable read, read only`);
  const [headRow] = await tx.query(sql`select seq, hash from towpath.ledger_head`);
  const problems: Problem[] = [];
  let found = 0;
  const say = (seq: number, problem: string): void => {
    found++;
    if (problems.length < MOST_PROBLEMS) problems.push({ seq, problem });
  };

  let last: Head = { seq: 0, hash: GENESIS };
  let rows = 0;
  let atAnchor: string | undefined;
  for (;;) {
    const batch = await tx.query(sql`
      select seq, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, app, environment, rollout,
             actor, kind, body, previous, hash, content
        from towpath.ledger where seq > ${last.seq} order by seq limit ${BATCH}`);
    for (const row of batch) {
      last = checkRow(row, last, say);
      if (last.seq === anchored?.seq) atAnchor = last.hash;
      rows++;
    }
    if (batch.length < BATCH) break;
  }

  if (headRow === undefined) {
    say(last.seq, 'towpath.ledger_head is empty: whether rows are missing at the end cannot be told from the database');
  } else {
    const head: Head = { seq: Number(headRow['seq']), hash: textOf(headRow, 'hash') };
    compareWithHead(head, last, say);
  }
  if (anchored !== undefined) compareWithAnchor(anchored, last, atAnchor, say);
  if (found > problems.length) {
    problems.push({ seq: last.seq, problem: `${found - problems.length} more problems are not listed` });
  }
  return { intact: found === 0, rows, head: rows === 0 ? null : last.hash, problems };
}

type Say = (seq: number, problem: string) => void;

/** Checks one row against the one before it. @returns where the chain stands after it */
function checkRow(row: Row, last: Head, say: Say): Head {
  const seq = Number(row['seq']);
  const previous = textOf(row, 'previous');
  const hash = textOf(row, 'hash');
  const content = textOf(row, 'content');

  const missing = seq - last.seq - 1;
  if (missing > 0) {
    say(last.seq + 1, `${rowsFromTo(last.seq + 1, seq - 1)} missing before row ${seq}: removed, or moved elsewhere`);
  } else if (previous !== last.hash) {
    const before = last.seq === 0 ? 'the beginning' : `row ${last.seq}`;
    say(
      seq,
      `row ${seq} does not follow ${before}: it names ${short(previous)} as its predecessor, but that is ${short(last.hash)}; ` +
        'one of the two was changed, moved or inserted',
    );
  }
  if (hashOf(previous, content) !== hash) {
    say(seq, `row ${seq} was changed: its content does not have the hash ${short(hash)} that stands beside it`);
  }
  const differing = differences(row, content);
  if (differing.length > 0) {
    say(
      seq,
      `row ${seq} was changed: its ${differing.join(', ')} differ${differing.length === 1 ? 's' : ''} from what was hashed`,
    );
  }
  return { seq, hash };
}

/** The columns that do not say what the hashed text says. */
function differences(row: Row, content: string): readonly string[] {
  let claim: Json;
  try {
    claim = parseJson(content);
  } catch {
    return ['content'];
  }
  if (claim === null || typeof claim !== 'object' || Array.isArray(claim)) return ['content'];
  const said = new Map(Object.entries(claim));
  const at = said.get('at');
  const columns: readonly (readonly [string, unknown])[] = [
    ['seq', row['seq']],
    // The column has microseconds, of which we only ever write whole thousands.
    ['at', typeof at === 'string' && row['at'] === `${at.slice(0, -1)}000` ? at : row['at']],
    ['scope', row['app'] === null ? null : { app: row['app'], environment: row['environment'] }],
    ['rollout', row['rollout']],
    ['actor', row['actor']],
    ['kind', row['kind']],
    ['body', row['body']],
  ];
  return columns
    .filter(([name, value]) => canonicalJson(plainJson(value)) !== canonicalJson(said.get(name) ?? null))
    .map(([name]) => name);
}

function compareWithHead(head: Head, last: Head, say: Say): void {
  if (head.seq > last.seq) {
    say(
      last.seq + 1,
      `${rowsFromTo(last.seq + 1, head.seq)} missing at the end: the head says that the ledger ends at row ${head.seq}`,
    );
  } else if (head.seq < last.seq) {
    say(
      head.seq + 1,
      `${rowsFromTo(head.seq + 1, last.seq)} not known to the head, which ends at row ${head.seq}: inserted by hand, or the head was changed`,
    );
  } else if (head.hash !== last.hash) {
    say(
      last.seq,
      `the head names ${short(head.hash)} as the hash of row ${last.seq}, which has ${short(last.hash)}: one of them was changed`,
    );
  }
}

function compareWithAnchor(anchored: Head, last: Head, atAnchor: string | undefined, say: Say): void {
  if (anchored.seq > last.seq) {
    say(
      last.seq + 1,
      `${rowsFromTo(last.seq + 1, anchored.seq)} missing at the end: the anchor outside of the database has seen row ${anchored.seq}; ` +
        'they were removed, or the database was restored from an older copy',
    );
  } else if (atAnchor !== anchored.hash) {
    say(
      anchored.seq,
      `row ${anchored.seq} is not the one that the anchor outside of the database has seen (${short(anchored.hash)}): ` +
        'it was rewritten together with its hash, or the anchor was changed',
    );
  }
}

const rowsFromTo = (from: number, to: number): string => (from === to ? `row ${from} is` : `rows ${from} to ${to} are`);
const short = (hash: string): string => hash.slice(0, 12);
