import type { LedgerEntry } from '@towpath/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from '../../packages/towpath/src/system/index.ts';
import { wrongAtRest } from '../support/world.ts';
import type { Act } from './acts.ts';
import { readLedger } from './ledger-feed.ts';
import type { Observed } from './promises.ts';
import type { Stage } from './stage.ts';
import { weightsOf } from './story.ts';

const SETTLE_MS = 30_000;
/** A tick that is due has begun by then. */
const TICK_LAG_MS = 3000;

/** Looks at everything that was promised: at the clients, at Shopify, at the databases, the processes and the ledger. */
export async function observe(stage: Stage, acts: readonly Act[], serving: number): Promise<Observed> {
  const until = Date.now() - TICK_LAG_MS;
  await settle(stage, until);
  const ledger = await readLedger(stage.project.dir);
  const requests = await requestsOf(stage);
  return {
    requests,
    rollback: await rollbacks(stage, acts, ledger),
    jobs: await jobs(stage),
    ticks: await ticks(stage, ledger, until),
    neverReadyRequests: await takenBy(stage, 'v4-bad', ledger),
    ledger: await verified(stage),
    census: [
      ...(await wrongAtRest(stage.project, { release: serving })),
      ...ledger
        .filter((entry) => entry.kind === 'census' && entry.body['equal'] === false)
        .map((entry) => `row ${entry.seq} of the ledger: ${JSON.stringify(entry.body['differences'])}`),
    ],
    outcomes: acts.flatMap((act) => wrongOutcome(act, ledger)),
  };
}

/** Waits until the worker has done what was approved and every tick due has run. */
async function settle(stage: Stage, until: number): Promise<void> {
  const [app, control] = [await stage.appDatabase(), await stage.controlDatabase()];
  const deadline = performance.now() + SETTLE_MS;
  while (performance.now() < deadline) {
    stage.signal.throwIfAborted();
    const [jobsLeft] = await app.query(
      sql`select count(*)::int as n from actions where status in ('approved', 'executing')`,
    );
    const [ticksLeft] = await control.query(
      sql`select (select count(*)::int from towpath.cron_tick where state in ('claimed', 'running')
            and tick <= ${new Date(until)}) + (select count(*)::int from towpath.cron_group
            where considered_until < ${new Date(until)}) as n`,
    );
    if (jobsLeft?.['n'] === 0 && ticksLeft?.['n'] === 0) return;
    await delay(200);
  }
}

async function requestsOf(stage: Stage): Promise<Observed['requests']> {
  const all = await Promise.all(stage.traffics.map((traffic) => traffic.counters()));
  const actions = stage.actions?.counts();
  const byOwn = (failure: { readonly release: string | undefined; readonly status: number | undefined }): boolean =>
    failure.status === 500 && stage.nameOf(Number(failure.release)) === 'v3-bad';
  const failures = [
    ...all.flatMap((one) =>
      one.failures.map((failure) => ({ ...failure, error: `${failure.kind} ${failure.cause}: ${failure.error}` })),
    ),
    ...(actions?.failures ?? []),
  ];
  const planted = failures.filter(byOwn).length;
  const failed = all.reduce((sum, one) => sum + one.failed, 0) + (actions?.failures.length ?? 0);
  return {
    sent: all.reduce((sum, one) => sum + one.sent, 0) + (actions?.sent ?? 0),
    // Failures beyond the ones that are kept in full count as lost.
    lost: failed - planted,
    planted,
    notSent: all.reduce((sum, one) => sum + one.notSent, 0),
    examples: failures
      .filter((failure) => !byOwn(failure))
      .slice(0, 5)
      .map(({ release, error }) => `${error}${release === undefined ? '' : ` (${stage.nameOf(Number(release))})`}`),
  };
}

async function rollbacks(
  stage: Stage,
  acts: readonly Act[],
  ledger: readonly LedgerEntry[],
): Promise<Observed['rollback']> {
  const shiftedAt = (rollout: number, away: number): number | undefined => {
    const shifts = ledger.filter((entry) => entry.kind === 'traffic.shifted' && entry.rollout === rollout);
    const gone = shifts.findLast((entry) => weightsOf(entry).every((one) => one.release !== away || one.weight === 0));
    return gone === undefined ? undefined : Date.parse(gone.at);
  };
  let byItself = Number.NaN;
  const bad = acts.find((act) => act.kind === 'taken-back');
  if (bad !== undefined) {
    const seen = await Promise.all(
      stage.traffics.map(async (traffic) => (await traffic.counters()).byRelease[String(bad.view.to)]),
    );
    const first = Math.min(...seen.map((one) => one?.firstFailedAt ?? Number.POSITIVE_INFINITY));
    const last = Math.max(...seen.map((one) => one?.lastFailedAt ?? 0));
    byItself = Math.max(shiftedAt(bad.view.id, bad.view.to) ?? Number.NaN, last) - first;
  }
  const hands = acts
    .filter((act) => act.kind === 'by-hand')
    .map((act) => (shiftedAt(act.view.id, act.view.from ?? 0) ?? Number.NaN) - act.begunAt);
  return { byItself, byHand: Math.max(...hands) };
}

async function jobs(stage: Stage): Promise<Observed['jobs']> {
  const rows = await (
    await stage.appDatabase()
  ).query(
    sql`select idempotency_key as key from actions where status in ('approved', 'executing', 'executed', 'failed')`,
  );
  const approved = new Set([...rows.map((row) => String(row['key'])), ...(stage.actions?.counts().approved ?? [])]);
  const { effects, keys } = stage.shopify.effects();
  const once = [...approved].filter((key) => (keys[key]?.effects ?? 0) > 0).length;
  // An effect that no action stands for is one too many, whatever its key.
  return { approved: approved.size, duplicate: effects - once, lost: approved.size - once };
}

/** Which ticks were due is worked out from the clock alone; which took effect, the app's own table knows. */
async function ticks(stage: Stage, ledger: readonly LedgerEntry[], until: number): Promise<Observed['ticks']> {
  const live = ledger.find((entry) => entry.kind === 'rollout.finished');
  const from = live === undefined ? until : Date.parse(live.at);
  const rows = await (
    await stage.appDatabase()
  ).query(
    sql`select recommender, extract(epoch from scheduled_at)::float8 * 1000 as at, count(*)::int as n
        from recommender_runs group by recommender, scheduled_at`,
  );
  const runs = new Map(
    rows.map((row) => [`${String(row['recommender'])} ${Math.round(Number(row['at']))}`, Number(row['n'])]),
  );
  let due = 0;
  let lost = 0;
  for (let at = Math.ceil(from / 1000) * 1000; at <= until; at += 1000) {
    for (const { name, dueAt } of stage.recommenders) {
      if (!dueAt(new Date(at).getUTCSeconds())) continue;
      due++;
      if (!runs.has(`${name} ${at}`)) lost++;
    }
  }
  return { due, lost, duplicate: [...runs.values()].reduce((sum, n) => sum + n - 1, 0) };
}

async function takenBy(stage: Stage, version: string, ledger: readonly LedgerEntry[]): Promise<number> {
  let clients = 0;
  const add = (release: string, requests: number): void => {
    if (stage.nameOf(Number(release)) === version) clients += requests;
  };
  for (const traffic of stage.traffics) {
    for (const [release, count] of Object.entries((await traffic.counters()).byRelease))
      add(release, count.ok + count.failed);
  }
  for (const [release, requests] of Object.entries(stage.actions?.counts().byRelease ?? {})) add(release, requests);
  let router = 0;
  for (const entry of ledger) {
    const sampled = entry.kind === 'rollout.finished' ? entry.body['releases'] : undefined;
    for (const one of Array.isArray(sampled) ? sampled : []) {
      if (stage.nameOf(Number(Reflect.get(one, 'release'))) === version) router += Number(Reflect.get(one, 'requests'));
    }
  }
  return Math.max(clients, router);
}

async function verified(stage: Stage): Promise<Observed['ledger']> {
  const ran = await stage.project.cli(['evidence', 'verify', '--json']);
  const check: { rows: number; intact: boolean; problems: { seq: number; problem: string }[] } = JSON.parse(ran.stdout);
  const problems = check.problems.map(({ seq, problem }) => `row ${seq}: ${problem}`);
  return { rows: check.rows, problems: check.intact ? [] : problems.length > 0 ? problems : ['it is not intact'] };
}

function wrongOutcome(act: Act, ledger: readonly LedgerEntry[]): readonly string[] {
  const { view, expected } = act;
  const asked = ledger.some(
    (entry) => entry.rollout === view.id && entry.kind === 'signal.received' && entry.actor.startsWith('user:'),
  );
  if (view.status !== expected)
    return [`${act.title}: ${view.status} (${view.because ?? 'without a reason'}), not ${expected}`];
  return expected === 'rolled-back' && asked ? [`${act.title}: somebody had to ask for it`] : [];
}
