import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stepKinds } from '../packages/towpath/src/release/index.ts';
import { CRASH_POINTS } from '../packages/towpath/src/workflow/index.ts';
import type { Proof } from './proof.ts';
import { nextVersion, phaseName, reaches, restartControl, rollBack, rollBackIn, type Phase } from './support/phases.ts';
import { openProject, QUICK_ROLLOUT, writeToy, type Project, type ToyOptions } from './support/project.ts';
import { startTraffic, type Counters, type Traffic } from './support/traffic/index.ts';

/** Half of it, at the stage of 50 %, is more than 100 requests/s. */
const RPS = 230;

/** What production would have: nothing but the stages is shorter, and the judge's rules are the defaults. */
const PATIENT = { stages: [50, 100], hold: '30s', deadline: '60s', bake: '60s' };

interface Setting {
  readonly project: Project;
  readonly traffic: Traffic;
  /** The release that serves before and after everything here. */
  readonly before: number;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  readonly notes: string[];
  /** Failures planted by the release that is meant to fail; all others are the product's. */
  planted: number;
  wrongEnds: number;
}

export const proof: Proof = {
  name: 'rollback',
  promise:
    'A release that fails 5 % of its requests is taken back by itself within 15 s, a commanded rollback takes effect within 2 s, a release that never gets ready never gets a request, and rollback works in every phase.',
  bounds: [
    { figure: 'regressed_back_s', is: 'at most', limit: 15, unit: 's' },
    { figure: 'regressed_requests_per_second', is: 'at least', limit: 100, unit: 'requests/s', fullOnly: true },
    { figure: 'commanded_back_s', is: 'at most', limit: 2, unit: 's', fullOnly: true },
    { figure: 'never_ready_requests', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'never_ready_not_taken_back', is: 'exactly', limit: 0, unit: 'releases' },
    { figure: 'phases_not_covered', is: 'exactly', limit: 0, unit: 'steps', fullOnly: true },
    { figure: 'phases_not_reached', is: 'exactly', limit: 0, unit: 'phases' },
    { figure: 'ended_wrongly', is: 'exactly', limit: 0, unit: 'rollbacks' },
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
  ],
  quick: true,
  minutes: { quick: 3, full: 20 },
  async run({ quick, signal, log, temporary }) {
    const dir = path.join(await temporary(), 'toy');
    const project = openProject(dir);
    const requests = path.join(dir, '..', 'requests.log');
    await writeToy(dir, { env: { TOY_REQUESTS: requests } });
    const notes: string[] = [];
    let traffic: Traffic | undefined;
    try {
      const up = await project.cli(['up']);
      if (up.code !== 0) throw new Error(`towpath up ended with ${up.code}: ${up.stdout}${up.stderr}`);
      const { url, serving } = await project.here();
      if (url === null || serving === null) throw new Error('nothing serves after `towpath up`');
      traffic = await startTraffic({ url, rps: RPS, mix: { get: 3, fresh: 1 }, signal });
      const setting: Setting = { project, traffic, before: serving, signal, log, notes, planted: 0, wrongEnds: 0 };

      const regressed = await regresses(setting, quick ? 1 : 3);
      const neverReady = await neverReadies(setting, requests);
      const commanded = await commands(setting, quick ? ['the first stage', 'the bake'] : MOMENTS, quick ? 1 : 3);
      const phases = await everyPhase(setting, quick);

      const counted = await traffic.stop();
      const failed = counted.failed - setting.planted;
      notes.push(`load average at the end: ${os.loadavg()[1]?.toFixed(1)} on ${os.cpus().length} cores`);
      if (failed > 0) notes.push(...failures(counted));
      return {
        figures: {
          ...regressed,
          ...commanded,
          ...neverReady,
          ...phases,
          ended_wrongly: setting.wrongEnds,
          requests_sent: counted.sent,
          requests_failed: failed,
        },
        notes,
      };
    } finally {
      await traffic?.stop().catch(() => undefined);
      await project.down();
    }
  },
};

/** The release that fails one request in twenty, at half the traffic, is left to itself. */
async function regresses(setting: Setting, rounds: number): Promise<Record<string, number>> {
  const { project, traffic, before, log } = setting;
  const seconds: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await nextVersion(project.dir, { behaviour: { version: 'bad', failEvery: 20 }, rollout: PATIENT });
    const begun = await project.begin(['--resume-deploys']);
    const ended = await project.ended(begun.id, 60_000);
    const seen = (await traffic.counters()).byRelease[String(begun.to)];
    if (seen?.firstFailedAt === undefined) throw new Error(`release ${begun.to} did not fail`);
    setting.planted += seen.failed;
    seconds.push((seen.lastAt - seen.firstFailedAt) / 1000);
    rates.push((seen.ok + seen.failed) / ((seen.lastAt - seen.firstAt) / 1000));
    if (ended.status !== 'rolled-back' || (await project.here()).serving !== before) {
      setting.wrongEnds++;
      setting.notes.push(`the failing release ended ${ended.status}: ${ended.because}`);
    }
    log(
      `taken back by itself ${(seen.lastAt - seen.firstFailedAt) / 1000} s after its first failure: ${ended.because}`,
    );
  }
  await project.cli(['resume']);
  return { regressed_back_s: Math.max(...seconds), regressed_requests_per_second: Math.min(...rates) };
}

/** The app itself writes down what reaches it, whatever the router says. */
async function neverReadies(
  { project, before, notes, log }: Setting,
  requests: string,
): Promise<Record<string, number>> {
  const web = {
    kind: 'web' as const,
    command: 'node web.mjs',
    readiness: { timeout: '3s', interval: '50ms' },
    env: { TOY: JSON.stringify({ version: 'never', neverReady: true }) },
  };
  await nextVersion(project.dir, { processes: { web }, env: { TOY_REQUESTS: requests } });
  const begun = await project.begin();
  const ended = await project.ended(begun.id, 60_000);
  const reached = (await readFile(requests, 'utf8')).split('\n').map((line) => line.split(' ')[0]);
  // Unless the release that does serve is in it, an empty count would prove nothing.
  if (!reached.includes(String(before))) throw new Error('the app does not write its requests down');
  if (ended.status !== 'rolled-back') notes.push(`the release that never got ready ended ${ended.status}`);
  log(`never ready: ${ended.status}, ${ended.because}`);
  return {
    never_ready_requests: reached.filter((release) => release === String(begun.to)).length,
    never_ready_not_taken_back: ended.status === 'rolled-back' ? 0 : 1,
  };
}

type Moment = 'the first stage' | 'the last stage' | 'the bake' | 'retirement';
const MOMENTS: readonly Moment[] = ['the first stage', 'the last stage', 'the bake', 'retirement'];

/** A rollout that stays at each moment for longer than anybody needs. */
const STAYING: Readonly<Record<Moment, ToyOptions['rollout']>> = {
  'the first stage': PATIENT,
  'the last stage': { ...PATIENT, stages: [100] },
  'the bake': { ...QUICK_ROLLOUT, stages: [100], bake: '60s' },
  retirement: { ...QUICK_ROLLOUT, stages: [100] },
};

/** Every answer of the new release counts as bad: when does the last one come, from the start of the command? */
async function commands(setting: Setting, moments: readonly Moment[], rounds: number): Promise<Record<string, number>> {
  const { project, traffic, before, signal, log, notes } = setting;
  const slowest = { under_way: 0, retired: Number.NaN };
  for (const moment of Array.from({ length: rounds }).flatMap(() => moments)) {
    await nextVersion(project.dir, { rollout: STAYING[moment] });
    const begun = await project.begin();
    if (moment === 'retirement') await project.ended(begun.id, 60_000);
    else await reaches(project, begun.id, moment === 'the bake' ? 'bake' : 'stage');
    await delay(1000, undefined, { signal });
    const at = Date.now();
    const wrong = await rollBack(project, begun, before);
    const { lastAt } = (await traffic.counters()).byRelease[String(begun.to)] ?? { lastAt: Number.NaN };
    const seconds = (lastAt - at) / 1000;
    if (moment === 'retirement') slowest.retired = Math.max(seconds, slowest.retired || 0);
    else slowest.under_way = Math.max(seconds, slowest.under_way);
    if (wrong.length > 0) setting.wrongEnds++;
    notes.push(...wrong.map((line) => `rollback in ${moment}: ${line}`));
    log(`rollback in ${moment}: the last answer of the new release came after ${seconds} s`);
  }
  return {
    commanded_back_s: slowest.under_way,
    ...(Number.isNaN(slowest.retired) ? {} : { commanded_after_retirement_back_s: slowest.retired }),
  };
}

/** A rollback in every step that the code knows; in the quick form in a few. */
async function everyPhase(setting: Setting, quick: boolean): Promise<Record<string, number>> {
  const { project, before, signal, log, notes } = setting;
  await nextVersion(project.dir);
  const { steps } = await project.plan();
  const all = [{ name: 'build', index: 0 }, ...steps].flatMap(({ name, index }) =>
    CRASH_POINTS.map((point): Phase => ({ step: name, index, point })),
  );
  const phases = quick
    ? all.filter(({ step, point }) => point === 'inside' && ['start', 'workers', 'retire'].includes(step))
    : all;
  let unreached = 0;
  for (const phase of phases) {
    signal.throwIfAborted();
    const started = performance.now();
    const { reached, wrong } = await rollBackIn(project, phase, before);
    if (!reached) unreached++;
    if (wrong.length > 0) setting.wrongEnds++;
    notes.push(...(reached ? [] : [`${phaseName(phase)}: the command did not come while the rollout was there`]));
    notes.push(...wrong.map((line) => `${phaseName(phase)}: ${line}`));
    log(`${phaseName(phase)}: ${((performance.now() - started) / 1000).toFixed(1)} s ${wrong.join(', ')}`);
  }
  await restartControl(project);
  // Only the first release of all settles, and it has none to go back to.
  const left = stepKinds().filter(({ name }) => name !== 'settle' && !phases.some(({ step }) => step === name));
  if (!quick) notes.push(...left.map(({ name }) => `no rollback was commanded in the step ${name}`));
  return { phases: phases.length, phases_not_reached: unreached, phases_not_covered: left.length };
}

const failures = (counted: Counters): readonly string[] =>
  counted.failures
    .slice(0, 40)
    .filter(({ error }) => !error.includes('planted'))
    .map(
      ({ at, sentAt, kind, cause, error, release, reused }) =>
        `${new Date(at).toISOString()} ${kind} ${cause} after ${at - sentAt} ms from release ${release ?? 'unknown'}${reused ? ', reused connection' : ''}: ${error}`,
    );
