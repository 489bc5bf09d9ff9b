import type { Db } from '../db.ts';

export interface Proposal {
  readonly type: string;
  /** What it is about, for people; a recommender has one open proposal for each. */
  readonly subject: string;
  readonly title: string;
  readonly payload: unknown;
  readonly diff: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;
  /** 0 to 1 */
  readonly confidence: number;
  /** Expected change of monthly orders, percent. */
  readonly estimatedImpact: number;
  readonly source: string;
  /** Given by a client, it makes sending the proposal twice safe. */
  readonly idempotencyKey?: string;
}

export const LISTED = `id, type, subject, title, diff, confidence, estimated_impact, score, source, status, attempts,
  idempotency_key, claimed_by, result, error, created_at, updated_at`;

export interface ListedAction {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly title: string;
  readonly diff: Record<string, { from: unknown; to: unknown }>;
  readonly confidence: number;
  readonly estimated_impact: number;
  /** null for actions proposed by a release that did not know it */
  readonly score: number | null;
  readonly source: string;
  readonly status: string;
  readonly attempts: number;
  readonly idempotency_key: string;
  readonly claimed_by: string | null;
  readonly error: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** @returns the id, or undefined when such a proposal is open already */
export async function propose(db: Db, shop: number, proposal: Proposal, run?: number): Promise<number | undefined> {
  const made = await db.query<{ id: string }>(
    `with made as (
       insert into actions (shop_id, run_id, type, subject, title, payload, diff, confidence, estimated_impact, source, idempotency_key, score)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, gen_random_uuid()::text), $12)
       on conflict do nothing returning id),
     event as (insert into action_events (action_id, status, by) select id, 'pending', $10 from made)
     select id from made`,
    [
      shop,
      run ?? null,
      proposal.type,
      proposal.subject,
      proposal.title,
      JSON.stringify(proposal.payload),
      JSON.stringify(proposal.diff),
      proposal.confidence,
      proposal.estimatedImpact,
      proposal.source,
      proposal.idempotencyKey ?? null,
      proposal.confidence * proposal.estimatedImpact,
    ],
  );
  return made.rows[0] === undefined ? undefined : Number(made.rows[0].id);
}

/** The most promising first. */
export async function list(db: Db, status: string | undefined, limit: number): Promise<ListedAction[]> {
  const found = await db.query<ListedAction>(
    `select ${LISTED} from actions where $1::text is null or status = $1
     order by coalesce(score, confidence * estimated_impact) desc, id desc limit $2`,
    [status ?? null, limit],
  );
  return found.rows;
}
