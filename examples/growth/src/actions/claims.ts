import { randomUUID } from 'node:crypto';
import type { Db } from '../db.ts';

/** A crash in the middle costs no attempt, but an action that always brings the worker down must end. */
const MOST_CLAIMS = 20;

export interface Claim {
  readonly id: number;
  readonly token: string;
  readonly type: string;
  readonly payload: unknown;
  readonly idempotencyKey: string;
  /** Attempts that failed so far. */
  readonly attempts: number;
}

interface Row {
  id: string;
  type: string;
  payload: unknown;
  idempotency_key: string;
  attempts: number;
}

const claimed = (row: Row | undefined, token: string): Claim | undefined =>
  row && {
    id: Number(row.id),
    token,
    type: row.type,
    payload: row.payload,
    idempotencyKey: row.idempotency_key,
    attempts: row.attempts,
  };

/** Takes the action that is due the longest, or one whose worker is gone: its claim has expired. */
export async function claim(db: Db, by: string, claimMs: number): Promise<Claim | undefined> {
  const token = randomUUID();
  const found = await db.query<Row>(
    `with due as (
       select id from actions
       where status in ('approved', 'executing') and next_attempt_at <= now()
         and (claim_expires_at is null or claim_expires_at < now()) and claims < $4
       order by next_attempt_at, id limit 1 for update skip locked),
     taken as (
       update actions set status = 'executing', claimed_by = $1, claim_token = $2, claims = claims + 1,
         claim_expires_at = now() + $3 * interval '1 millisecond', updated_at = now()
       from due where actions.id = due.id
       returning actions.id, type, payload, idempotency_key, attempts),
     event as (insert into action_events (action_id, status, by) select id, 'executing', $1 from taken)
     select * from taken`,
    [by, token, claimMs, MOST_CLAIMS],
  );
  return claimed(found.rows[0], token);
}

/** Takes an executed or failed action for its rollback. */
export async function claimForRollback(
  db: Db,
  id: number,
  by: string,
  claimMs: number,
): Promise<(Claim & { readonly prior: unknown }) | undefined> {
  const token = randomUUID();
  const found = await db.query<Row & { prior_values: unknown }>(
    `update actions set claimed_by = $2, claim_token = $3, claim_expires_at = now() + $4 * interval '1 millisecond'
     where id = $1 and status in ('executed', 'failed') and prior_values is not null
       and (claim_expires_at is null or claim_expires_at < now())
     returning id, type, payload, idempotency_key, attempts, prior_values`,
    [id, by, token, claimMs],
  );
  const taken = claimed(found.rows[0], token);
  return taken && { ...taken, prior: found.rows[0]?.prior_values };
}

/** @returns false when the claim is not ours any more */
export async function heartbeat(db: Db, held: Claim, claimMs: number): Promise<boolean> {
  const kept = await db.query(
    `update actions set claim_expires_at = now() + $3 * interval '1 millisecond' where id = $1 and claim_token = $2`,
    [held.id, held.token, claimMs],
  );
  return kept.rowCount === 1;
}

/**
 * Keeps what was there before the change. The first value wins: after a crash the current value may be
 * our own. @returns false when the claim is not ours any more
 */
export async function rememberPrior(db: Db, held: Claim, prior: unknown): Promise<boolean> {
  const kept = await db.query(
    `update actions set prior_values = coalesce(prior_values, $3) where id = $1 and claim_token = $2`,
    [held.id, held.token, JSON.stringify({ value: prior ?? null })],
  );
  return kept.rowCount === 1;
}

interface End {
  readonly status: 'executed' | 'failed' | 'approved' | 'rolled_back';
  readonly by: string;
  readonly note?: string;
  readonly result?: unknown;
  /** Whether this attempt counts as failed. */
  readonly failed?: boolean;
  /** approved only: not before so many milliseconds */
  readonly againInMs?: number;
}

/** Ends a claim. @returns false when it was not ours any more; then nothing was changed */
export async function finish(db: Db, held: Claim, end: End): Promise<boolean> {
  const done = await db.query(
    `with done as (
       update actions set status = $3, error = $4, result = coalesce($5, result), attempts = attempts + $6,
         next_attempt_at = now() + $7 * interval '1 millisecond',
         claimed_by = null, claim_token = null, claim_expires_at = null, claims = 0, updated_at = now()
       where id = $1 and claim_token = $2 returning id),
     event as (insert into action_events (action_id, status, by, note) select id, $3, $8, $4 from done)
     select id from done`,
    [
      held.id,
      held.token,
      end.status,
      end.note ?? null,
      end.result === undefined ? null : JSON.stringify(end.result),
      end.failed === true ? 1 : 0,
      end.againInMs ?? 0,
      end.by,
    ],
  );
  return done.rowCount === 1;
}

/** Gives a claim back without a change of status. */
export async function release(db: Db, held: Claim): Promise<void> {
  await db.query(
    `update actions set claimed_by = null, claim_token = null, claim_expires_at = null where id = $1 and claim_token = $2`,
    [held.id, held.token],
  );
}

/** Gives up on actions that brought their worker down too often. */
export async function buryCrashers(db: Db): Promise<number> {
  const buried = await db.query(
    `with buried as (
       update actions set status = 'failed', error = 'its worker ended too often in the middle of it', claim_token = null,
         claimed_by = null, claim_expires_at = null, updated_at = now()
       where status = 'executing' and claims >= $1 and claim_expires_at < now() returning id)
     insert into action_events (action_id, status, by) select id, 'failed', 'worker' from buried`,
    [MOST_CLAIMS],
  );
  return buried.rowCount ?? 0;
}
