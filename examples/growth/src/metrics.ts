import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Db } from './db.ts';

/** Several scrapers, or an impatient one, cost the database one look. */
const KEEP_MS = 1000;

export interface Metrics {
  request(method: string, status: number): void;
  /** Prometheus text. */
  text(): Promise<string>;
  readonly contentType: string;
}

/**
 * What happened is read from the tables, so the numbers are right whichever instance is asked, and no
 * restart loses them. Only requests are counted in memory.
 */
export function createMetrics(db: Db, release: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ release });
  collectDefaultMetrics({ register: registry, prefix: 'growth_' });
  const registers = [registry];

  const requests = new Counter({
    name: 'growth_http_requests_total',
    help: 'Requests answered',
    labelNames: ['method', 'status'],
    registers,
  });
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name, help, labelNames, registers });
  const executions = gauge('growth_action_executions_total', 'Actions by type and outcome', ['type', 'outcome']);
  const attempts = gauge('growth_action_failed_attempts_total', 'Failed attempts by type', ['type']);
  const depth = gauge('growth_queue_depth', 'Actions waiting or in hand, by status', ['status']);
  const oldest = gauge('growth_queue_oldest_seconds', 'Age of the oldest approved action');
  const runs = gauge('growth_recommender_runs_total', 'Ticks by recommender and outcome', ['recommender', 'outcome']);
  const seconds = gauge('growth_recommender_run_seconds_sum', 'Time spent in ticks', ['recommender']);
  const proposals = gauge('growth_proposals_total', 'Proposals by recommender', ['recommender']);

  const collect = async (): Promise<void> => {
    const actions = await db.query<{ type: string; status: string; count: number; attempts: number; oldest: number }>(
      `select type, status, count(*)::int as count, sum(attempts)::int as attempts,
         coalesce(extract(epoch from now() - min(next_attempt_at)), 0)::float8 as oldest
       from actions group by type, status`,
    );
    const ticks = await db.query<{
      recommender: string;
      outcome: string;
      count: number;
      proposals: number;
      seconds: number;
    }>(
      `select recommender, outcome, count(*)::int as count, sum(proposals)::int as proposals,
         sum(extract(epoch from finished_at - started_at))::float8 as seconds
       from recommender_runs group by recommender, outcome
       union all select recommender, 'failed', count(*)::int, 0, 0 from recommender_failures group by recommender`,
    );
    for (const metric of [executions, attempts, depth, oldest, runs, seconds, proposals]) metric.reset();
    for (const status of ['pending', 'approved', 'executing']) depth.set({ status }, 0);
    let age = 0;
    for (const row of actions.rows) {
      attempts.inc({ type: row.type }, row.attempts);
      if (['pending', 'approved', 'executing'].includes(row.status)) depth.inc({ status: row.status }, row.count);
      else executions.set({ type: row.type, outcome: row.status }, row.count);
      if (row.status === 'approved') age = Math.max(age, row.oldest);
    }
    oldest.set(Math.max(0, age));
    for (const row of ticks.rows) {
      runs.set({ recommender: row.recommender, outcome: row.outcome }, row.count);
      seconds.inc({ recommender: row.recommender }, row.seconds);
      proposals.inc({ recommender: row.recommender }, row.proposals);
    }
  };

  let collected: { readonly at: number; readonly done: Promise<void> } | undefined;
  return {
    request: (method, status) => requests.inc({ method, status: String(status) }),
    contentType: registry.contentType,
    async text() {
      if (collected === undefined || Date.now() - collected.at > KEEP_MS)
        collected = { at: Date.now(), done: collect() };
      await collected.done;
      return registry.metrics();
    },
  };
}
