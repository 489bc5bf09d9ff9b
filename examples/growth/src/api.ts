import { Hono } from 'hono';
import type pg from 'pg';
import { decide, find } from './actions/decisions.ts';
import { rollback, type Executor } from './actions/execute.ts';
import { actionTypes, parseChange } from './actions/kinds.ts';
import { list, propose, type Proposal } from './actions/proposals.ts';
import { shopId } from './db.ts';
import { isFields } from './shopify.ts';
import { recommenders } from './recommenders/index.ts';
import { runRecommender, type RunNeeds } from './recommenders/run.ts';

const MOST_LISTED = 500;
const RUN_MS = 10_000;

export interface ApiNeeds {
  readonly pool: pg.Pool;
  readonly executor: Executor;
  readonly run: RunNeeds;
}

/** The JSON API. Operators are whoever can reach it: keep it behind your own sign-in. */
export function createApi({ pool, executor, run }: ApiNeeds): Hono {
  const api = new Hono();

  api.get('/actions', async (c) => {
    const limit = Math.min(MOST_LISTED, Math.max(1, Number(c.req.query('limit') ?? '100') || 100));
    return c.json({ actions: await list(pool, c.req.query('status'), limit) });
  });

  api.post('/actions', async (c) => {
    const proposal = parseProposal(await c.req.json<unknown>().catch(() => undefined), c.req.header('idempotency-key'));
    if (typeof proposal === 'string') return c.json({ error: proposal }, 400);
    const id = await propose(pool, await shopId(pool, run.shop), proposal);
    if (id !== undefined) return c.json({ id }, 201);
    // Sent before: the answer is the one the client missed.
    const known = await find(pool, { key: proposal.idempotencyKey ?? '' });
    return c.json({ id: Number(known?.id) });
  });

  for (const [verb, status] of [
    ['approve', 'approved'],
    ['reject', 'rejected'],
  ] as const) {
    api.post(`/actions/:id{[0-9]+}/${verb}`, async (c) => {
      const id = Number(c.req.param('id'));
      const changed = await decide(pool, id, status, c.req.header('x-operator') ?? 'operator');
      const action = await find(pool, { id });
      if (action === undefined) return c.json({ error: 'no such action' }, 404);
      // Deciding twice the same way is one decision; a client may not have seen the first answer.
      const went =
        changed ||
        (verb === 'approve' ? action.status !== 'rejected' && action.status !== 'pending' : action.status === status);
      return went ? c.json({ id, status: action.status }) : c.json({ error: `it is ${action.status}` }, 409);
    });
  }

  api.post('/actions/:id{[0-9]+}/rollback', async (c) => {
    const id = Number(c.req.param('id'));
    const outcome = await rollback(executor, id);
    if (outcome === 'rolled_back') return c.json({ id, status: outcome });
    if (outcome === 'retry') return c.json({ error: 'Shopify did not take it; try again' }, 502);
    const action = await find(pool, { id });
    if (action === undefined) return c.json({ error: 'no such action' }, 404);
    if (action.status === 'rolled_back') return c.json({ id, status: action.status });
    return c.json({ error: `it is ${action.status}, with nothing to roll back` }, 409);
  });

  api.get('/recommenders', async (c) => {
    const flags = await pool.query<{ recommender: string; enabled: boolean }>(
      'select recommender, enabled from recommender_flags',
    );
    return c.json({
      recommenders: recommenders.map(({ name, summary }) => ({
        name,
        summary,
        enabled: flags.rows.find((row) => row.recommender === name)?.enabled ?? true,
      })),
    });
  });

  api.post('/recommenders/:name/run', async (c) => {
    const recommender = recommenders.find(({ name }) => name === c.req.param('name'));
    if (recommender === undefined) return c.json({ error: 'no such recommender' }, 404);
    const now = new Date();
    const tick = {
      id: `operator-${c.req.header('idempotency-key') ?? now.toISOString()}`,
      scheduledAt: now,
      attempt: 1,
    };
    return c.json(await runRecommender(run, recommender, tick, AbortSignal.timeout(RUN_MS)));
  });

  api.post('/recommenders/:name/:switch{on|off}', async (c) => {
    const name = c.req.param('name');
    if (!recommenders.some((one) => one.name === name)) return c.json({ error: 'no such recommender' }, 404);
    const enabled = c.req.param('switch') === 'on';
    await pool.query(
      `insert into recommender_flags (recommender, enabled) values ($1, $2)
       on conflict (recommender) do update set enabled = $2, changed_at = now()`,
      [name, enabled],
    );
    return c.json({ name, enabled });
  });

  api.get('/shops', async (c) => {
    const shops = await pool.query<{ id: string; domain: string }>(
      'select id, domain from shops order by id limit 100',
    );
    return c.json({ shops: shops.rows.map(({ id, domain }) => ({ id: Number(id), domain })) });
  });

  return api;
}

/** @returns what is wrong with it, in words, or the proposal */
export function parseProposal(body: unknown, key: string | undefined): Proposal | string {
  if (!isFields(body)) return 'send a JSON object';
  const { type, title, subject, payload, confidence, estimatedImpact } = body;
  if (typeof type !== 'string' || !actionTypes.includes(type)) return `type is one of ${actionTypes.join(', ')}`;
  if (typeof title !== 'string' || title === '' || title.length > 300) return 'title is a text of 1 to 300 characters';
  const change = parseChange(payload);
  if (change === undefined) return 'payload is {id, value, key?}';
  const number = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);
  return {
    type,
    title,
    subject: typeof subject === 'string' ? subject : change.id,
    payload: change,
    diff: { value: { from: null, to: change.value } },
    confidence: Math.min(1, Math.max(0, number(confidence, 0.5))),
    estimatedImpact: number(estimatedImpact, 0),
    source: 'operator',
    ...(key === undefined ? {} : { idempotencyKey: key }),
  };
}
