import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView, SignalAnswer } from '@towpath/wire';
import { assembleGrowth } from '../examples/growth-releases/assemble.ts';
import type { Proof } from './proof.ts';
import { openProject, type Project } from './support/project.ts';
import { startTraffic, type Counters, type Traffic } from './support/traffic/index.ts';
import { wrongAtRest } from './support/world.ts';

const RPS = 220;

/** Where a deploy is taken back. Each deploy is, so that deploys and rollbacks come in pairs. */
type TakenBack = 'in a stage' | 'in the bake' | 'after it was retired';
const FULL: readonly TakenBack[] = Array.from({ length: 5 }).flatMap((): readonly TakenBack[] => [
  'in a stage',
  'after it was retired',
  'in the bake',
  'after it was retired',
]);
const QUICK: readonly TakenBack[] = ['in a stage', 'after it was retired'];

/** Growth's own variables: stages and bake of seconds, cron as in production, where it is rare. */
const SHORT = { GROWTH_HOLD: '500ms', GROWTH_BAKE: '2s', GROWTH_SCHEDULE: '17 * * * *' };

export const proof: Proof = {
  name: 'lost-requests',
  promise:
    'Deploys and rollbacks of growth under mixed traffic (kept and fresh connections, POST bodies, chunked uploads, 5 s slow answers, event streams, WebSockets) lose no request and reset no connection.',
  bounds: [
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'resets', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'requests_not_sent', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'kinds_without_traffic', is: 'exactly', limit: 0, unit: 'kinds' },
    { figure: 'requests_per_second', is: 'at least', limit: 200, unit: 'requests/s' },
    { figure: 'ended_wrongly', is: 'exactly', limit: 0, unit: 'rollouts' },
    { figure: 'deploys', is: 'at least', limit: FULL.length, unit: 'deploys', fullOnly: true },
    { figure: 'rollbacks', is: 'at least', limit: FULL.length, unit: 'rollbacks', fullOnly: true },
    { figure: 'swap_p99_above_steady_ms', is: 'at most', limit: 50, unit: 'ms', fullOnly: true },
  ],
  quick: true,
  minutes: { quick: 3, full: 20 },
  async run({ quick, signal, log, temporary }) {
    const dir = path.join(await temporary(), 'growth');
    await assembleGrowth({ dir });
    const project = openProject(dir, SHORT);
    const notes: string[] = [
      'p99 of a swap is of what was sent from the first shift of traffic until the rollout had ended; building and starting are apart',
      'a stream or socket held past upgradeDrainTimeout (5 min by default) is not waited for: its instance gets SIGTERM, ends it properly (growth: end of stream, close frame 1001), and is killed at stopTimeout; a rollback does not wait for held ones at all',
    ];
    const figures = { deploys: 0, rollbacks: 0, ended_wrongly: 0 };
    let traffic: Traffic | undefined;
    try {
      const up = await project.cli(['up']);
      if (up.code !== 0) throw new Error(`towpath up ended with ${up.code}: ${up.stdout}${up.stderr}`);
      const { url, serving } = await project.here();
      if (url === null || serving === null) throw new Error('nothing serves after `towpath up`');

      const started = performance.now();
      traffic = await startTraffic({ url, rps: RPS, ...(quick ? { heldMs: [500, 2000] as const } : {}), signal });
      await traffic.mark('steady');
      await delay(quick ? 2000 : 20_000, undefined, { signal });
      for (const [i, taken] of (quick ? QUICK : FULL).entries()) {
        const wrong = await pair(project, traffic, {
          version: i % 2 === 0 ? 'v2' : 'v5',
          taken,
          base: serving,
          signal,
        });
        figures.deploys++;
        figures.rollbacks++;
        if (wrong.length > 0) figures.ended_wrongly++;
        notes.push(...wrong.map((line) => `rollback ${i + 1}, ${taken}: ${line}`));
        const { sent, failed } = await traffic.counters();
        log(`deploy ${i + 1} taken back ${taken}: ${sent} sent, ${failed} failed`);
        await delay(quick ? 500 : 3000, undefined, { signal });
      }
      // Both ends are cut off: the time that the last answers take is not time in which was sent.
      const seconds = (performance.now() - started) / 1000;
      const counted = await traffic.stop();
      notes.push(
        ...told(counted),
        `load average at the end: ${os.loadavg()[1]?.toFixed(1)} on ${os.cpus().length} cores`,
      );
      return { figures: { ...figures, ...read(counted, seconds) }, notes };
    } finally {
      await traffic?.stop().catch(() => undefined);
      await project.down();
    }
  },
};

interface Pair {
  readonly version: string;
  readonly taken: TakenBack;
  /** The release that serves before and after. */
  readonly base: number;
  readonly signal: AbortSignal;
}

/** A deploy and its rollback. @returns what is wrong afterwards */
async function pair(
  project: Project,
  traffic: Traffic,
  { version, taken, base, signal }: Pair,
): Promise<readonly string[]> {
  await traffic.mark('prepare');
  const begun = await project.json<RolloutView>(['deploy', '--commit', version, '--no-follow']);
  await follow(project, traffic, begun.id, taken, signal);
  if (taken === 'after it was retired') {
    const deployed = await project.ended(begun.id, 60_000);
    if (deployed.status !== 'promoted') return [`the deploy ended ${deployed.status}: ${deployed.because}`];
    await traffic.mark('steady');
    await delay(1000, undefined, { signal });
    await traffic.mark('prepare');
  } else {
    await traffic.mark('swap');
  }
  const { rollout } = await project.json<SignalAnswer>(['rollback', '--no-follow']);
  if (rollout === null) return ['the rollback names no rollout'];
  if (rollout !== begun.id) await follow(project, traffic, rollout, 'after it was retired', signal);
  const ended = await project.ended(rollout, 60_000);
  await traffic.mark('steady');
  const wanted = rollout === begun.id ? 'rolled-back' : 'promoted';
  if (ended.status !== wanted) return [`it ended ${ended.status}, not ${wanted}: ${ended.because}`];
  // A release started from its artifact keeps its number.
  return await wrongAtRest(project, { release: base });
}

/** Marks what is under way, until the rollout is where it is to be taken back, or has ended. */
async function follow(
  project: Project,
  traffic: Traffic,
  id: number,
  until: TakenBack,
  signal: AbortSignal,
): Promise<void> {
  let moving = false;
  for (;;) {
    const now = await project.rollout(id);
    const stages = now.steps.filter(({ name }) => name === 'stage');
    if (!moving && stages.some(({ state }) => state !== 'pending')) {
      moving = true;
      await traffic.mark('swap');
    }
    if (now.endedAt !== null) {
      if (until === 'after it was retired') return;
      throw new Error(`rollout ${id} ended before it was to be taken back ${until}: ${now.because}`);
    }
    if (until === 'in a stage' && stages.filter(({ state }) => state === 'done').length > 0) return;
    if (until === 'in the bake' && now.steps.some(({ name, state }) => name === 'bake' && state === 'doing')) return;
    await delay(50, undefined, { signal });
  }
}

function read(counted: Counters, seconds: number): Record<string, number> {
  const p99 = (window: string): number => counted.windows[window]?.p99 ?? Number.NaN;
  return {
    requests_sent: counted.sent,
    requests_failed: counted.failed,
    resets: counted.resets,
    requests_not_sent: counted.notSent,
    requests_per_second: counted.sent / seconds,
    kinds_without_traffic: Object.values(counted.byKind).filter(({ ok }) => ok === 0).length,
    releases_that_answered: Object.keys(counted.byRelease).length,
    steady_p99_ms: p99('steady'),
    swap_p99_ms: p99('swap'),
    prepare_p99_ms: p99('prepare'),
    swap_p99_above_steady_ms: p99('swap') - p99('steady'),
    ended_by_server: counted.endedByServer,
    generator_lag_ms: counted.worstLagMs,
  };
}

const told = ({ byKind, failures }: Counters): readonly string[] => [
  `sent: ${Object.entries(byKind)
    .map(([kind, { sent }]) => `${sent} ${kind}`)
    .join(', ')}`,
  ...failures
    .slice(0, 20)
    .map(
      ({ at, kind, cause, error, release, reused, sentAt }) =>
        `${new Date(at).toISOString()} ${kind} ${cause} after ${at - sentAt} ms from release ${release ?? 'unknown'}${reused ? ', reused connection' : ''}: ${error}`,
    ),
];
