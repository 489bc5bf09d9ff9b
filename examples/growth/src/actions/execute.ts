import type { Db } from '../db.ts';
import { log, message } from '../log.ts';
import { ShopifyError, type Shopify } from '../shopify.ts';
import { claimForRollback, finish, heartbeat, release, rememberPrior, type Claim } from './claims.ts';
import { kindOf, parseChange, type Change } from './kinds.ts';

export const MOST_ATTEMPTS = 3;
const DEADLINE_MS = 30_000;
const ROLLBACK_MS = 8000;

export interface Executor {
  readonly db: Db;
  readonly shopify: Shopify;
  /** Who works, for the record. */
  readonly by: string;
  readonly claimMs: number;
  /** Pause before the second attempt; it grows fourfold. */
  readonly retryMs: number;
}

/**
 * Carries out one claimed action. Whoever loses its claim on the way stops and changes nothing more;
 * what it sent to Shopify counts once, by the action's key.
 */
export async function execute(executor: Executor, held: Claim): Promise<void> {
  const { db, by, claimMs } = executor;
  const lost = new AbortController();
  const beat = setInterval(() => {
    heartbeat(db, held, claimMs).then(
      (kept) => {
        if (!kept) lost.abort(new Error('claim lost'));
      },
      // A database that is away for a moment does not make the claim invalid; its expiry does.
      (error: unknown) => log('heartbeat.failed', { action: held.id, error: message(error) }),
    );
  }, claimMs / 3);
  try {
    const outcome = await attempt(executor, held, AbortSignal.any([lost.signal, AbortSignal.timeout(DEADLINE_MS)]));
    const ours = lost.signal.aborted ? false : await finish(db, held, { ...outcome, by });
    log(ours ? `action.${outcome.status}` : 'action.claim-lost', { action: held.id, note: outcome.note });
  } finally {
    clearInterval(beat);
  }
}

type Outcome = Omit<Parameters<typeof finish>[2], 'by'>;

async function attempt(executor: Executor, held: Claim, signal: AbortSignal): Promise<Outcome> {
  const kind = kindOf(held.type);
  const change = parseChange(held.payload);
  if (kind === undefined || change === undefined) {
    return { status: 'failed', failed: true, note: `cannot carry out a ${held.type} with this payload` };
  }
  try {
    const { value: _, ...which } = change;
    const prior = kind.current(await executor.shopify.graphql(kind.read, which, { signal }));
    if (!(await rememberPrior(executor.db, held, prior))) return { status: 'approved', note: 'claim lost' };
    const result = await executor.shopify.graphql(kind.write, { ...change }, { key: held.idempotencyKey, signal });
    return { status: 'executed', result };
  } catch (error) {
    return afterFailure(error, held.attempts, executor.retryMs);
  }
}

/** What becomes of an action whose attempt failed. */
export function afterFailure(error: unknown, attemptsBefore: number, retryMs: number): Outcome {
  const note = message(error);
  // No room at Shopify is nobody's failure: it waits its turn and keeps its attempts.
  if (error instanceof ShopifyError && error.kind === 'busy') {
    return { status: 'approved', note, againInMs: Math.max(error.waitMs, 250) };
  }
  const hopeless = error instanceof ShopifyError && (error.kind === 'refused' || error.kind === 'invalid');
  if (hopeless || attemptsBefore + 1 >= MOST_ATTEMPTS) return { status: 'failed', failed: true, note };
  return { status: 'approved', failed: true, note, againInMs: retryMs * 4 ** attemptsBefore };
}

/** Puts back what was there before. @returns undefined when there is nothing to roll back */
export async function rollback(executor: Executor, id: number): Promise<'rolled_back' | 'retry' | undefined> {
  const held = await claimForRollback(executor.db, id, executor.by, ROLLBACK_MS * 2);
  if (held === undefined) return undefined;
  const kind = kindOf(held.type);
  const change = parseChange(held.payload);
  if (kind === undefined || change === undefined) return undefined;
  const back: Change = { ...change, value: priorValue(held.prior) ?? '' };
  try {
    const result = await executor.shopify.graphql(
      kind.write,
      { ...back },
      { key: `${held.idempotencyKey}:rollback`, signal: AbortSignal.timeout(ROLLBACK_MS) },
    );
    await finish(executor.db, held, { status: 'rolled_back', by: executor.by, result });
    return 'rolled_back';
  } catch (error) {
    log('rollback.failed', { action: id, error: message(error) });
    await release(executor.db, held);
    return 'retry';
  }
}

const priorValue = (prior: unknown): unknown =>
  typeof prior === 'object' && prior !== null && 'value' in prior ? prior.value : undefined;
