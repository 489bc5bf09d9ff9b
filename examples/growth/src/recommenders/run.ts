import type pg from 'pg';
import { propose } from '../actions/proposals.ts';
import { shopId, transaction, type Db } from '../db.ts';
import { message } from '../log.ts';
import type { Wording } from '../openai.ts';
import type { Shopify } from '../shopify.ts';
import { readCatalogue } from './catalogue.ts';
import type { Recommender } from './recommender.ts';

export interface RunNeeds {
  readonly pool: pg.Pool;
  readonly shopify: Shopify;
  readonly words: Wording;
  readonly shop: string;
  readonly release: string;
}

/** Why this run happens; the same id means the same effect. */
export interface RunTick {
  readonly id: string;
  readonly scheduledAt: Date;
  readonly attempt: number;
}

export type RunOutcome =
  | { readonly outcome: 'proposed' | 'nothing' | 'switched-off'; readonly proposals: number }
  /** This tick took effect before; nothing was done. */
  | { readonly outcome: 'already-done'; readonly proposals: 0 };

const DONE: RunOutcome = { outcome: 'already-done', proposals: 0 };

/**
 * Runs a recommender for one tick. All the slow work comes first; the effect is one transaction that
 * contains the tick, so a tick that is run twice, or at the same time, takes effect once.
 */
export async function runRecommender(
  needs: RunNeeds,
  recommender: Recommender,
  tick: RunTick,
  signal: AbortSignal,
): Promise<RunOutcome> {
  const { pool, shopify, words } = needs;
  const startedAt = new Date();
  try {
    if (await tookEffect(pool, recommender.name, tick.id)) return DONE;
    const on = await isSwitchedOn(pool, recommender.name);
    const catalogue = on ? await readCatalogue(shopify, signal) : undefined;
    const proposals = catalogue === undefined ? [] : await recommender.propose(catalogue, words, signal);
    const shop = await shopId(pool, needs.shop);

    return await transaction(pool, async (tx): Promise<RunOutcome> => {
      const outcome = !on ? 'switched-off' : proposals.length === 0 ? 'nothing' : 'proposed';
      const run = await tx.query<{ id: string }>(
        `insert into recommender_runs (recommender, tick, scheduled_at, attempt, outcome, release, started_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (recommender, tick) do nothing returning id`,
        [recommender.name, tick.id, tick.scheduledAt, tick.attempt, outcome, needs.release, startedAt],
      );
      if (run.rows[0] === undefined) return DONE;
      const runId = Number(run.rows[0].id);
      let made = 0;
      for (const proposal of proposals) {
        if ((await propose(tx, shop, proposal, runId)) !== undefined) made++;
        await tx.query(
          `insert into signals (shop_id, recommender, subject, facts) values ($1, $2, $3, $4)
           on conflict (shop_id, recommender, subject) do update set facts = excluded.facts, seen_at = now()`,
          [shop, recommender.name, proposal.subject, JSON.stringify(proposal.diff)],
        );
      }
      await tx.query('update recommender_runs set proposals = $2, finished_at = clock_timestamp() where id = $1', [
        runId,
        made,
      ]);
      return { outcome, proposals: made };
    });
  } catch (error) {
    await pool
      .query('insert into recommender_failures (recommender, tick, attempt, error) values ($1, $2, $3, $4)', [
        recommender.name,
        tick.id,
        tick.attempt,
        message(error),
      ])
      .catch(() => {});
    throw error;
  }
}

async function tookEffect(db: Db, recommender: string, tick: string): Promise<boolean> {
  const found = await db.query('select 1 from recommender_runs where recommender = $1 and tick = $2', [
    recommender,
    tick,
  ]);
  return found.rows.length > 0;
}

async function isSwitchedOn(db: Db, recommender: string): Promise<boolean> {
  const found = await db.query<{ enabled: boolean }>('select enabled from recommender_flags where recommender = $1', [
    recommender,
  ]);
  return found.rows[0]?.enabled ?? true;
}
