import type { RolloutView } from '@towpath/wire';
import { setTimeout as delay } from 'node:timers/promises';
import type { GrowthVersion } from '../../examples/growth-releases/assemble.ts';
import type { Stage } from './stage.ts';

/** One rollout of the rehearsal, ended. */
export interface Act {
  readonly kind: 'first' | 'good' | 'taken-back' | 'never-ready' | 'by-hand';
  readonly title: string;
  /** What it has to show, in a sentence. */
  readonly promise: string;
  readonly expected: RolloutView['status'];
  readonly view: RolloutView;
  /** ms since the epoch, when the command was given */
  readonly begunAt: number;
}

const ROLLOUT_MS = 120_000;

/** Something done to the world while a rollout is under way. */
export type Meddle = (view: RolloutView) => Promise<void>;

export async function firstRelease(stage: Stage): Promise<Act> {
  stage.screen.command('towpath up');
  const begunAt = Date.now();
  await ran(stage, ['up', '--json']);
  return {
    kind: 'first',
    title: 'v1 is released for the first time',
    promise: 'Postgres, control plane, router and app come up with one command.',
    expected: 'promoted',
    view: await ended(stage, 1),
    begunAt,
  };
}

export const goodRelease = (stage: Stage, version: GrowthVersion, meddle?: Meddle): Promise<Act> =>
  deploy(stage, version, meddle, {
    kind: 'good',
    title: `${version} goes live`,
    promise: 'A good release goes live under load, with its migration and its worker, without a lost request.',
    expected: 'promoted',
  });

export const badRelease = (stage: Stage): Promise<Act> =>
  deploy(stage, 'v3-bad', undefined, {
    kind: 'taken-back',
    title: 'v3-bad is taken back by itself',
    promise:
      'A release that passes its health checks and fails 5 % of its requests under load is taken back by itself.',
    expected: 'rolled-back',
  });

export const neverReady = (stage: Stage, meddle?: Meddle): Promise<Act> =>
  deploy(stage, 'v4-bad', meddle, {
    kind: 'never-ready',
    title: 'v4-bad never becomes ready',
    promise: 'A release that never becomes ready never gets a request.',
    expected: 'rolled-back',
  });

export async function rollbackByHand(stage: Stage, to: number, meddle?: Meddle): Promise<Act> {
  const begunAt = Date.now();
  const from = (await stage.project.here()).serving ?? 0;
  stage.screen.command(`towpath rollback ${to}`);
  const answer: { rollout: number } = JSON.parse(await ran(stage, ['rollback', String(to), '--no-follow', '--json']));
  const begun = await stage.project.rollout(answer.rollout);
  await meddle?.(begun);
  return {
    kind: 'by-hand',
    title: `${stage.nameOf(from)} is rolled back to ${stage.nameOf(to)} by hand`,
    promise: 'One command brings an old release back, started anew from its artifact, without a lost request.',
    expected: 'promoted',
    view: await ended(stage, begun.id),
    begunAt,
  };
}

async function deploy(
  stage: Stage,
  version: GrowthVersion,
  meddle: Meddle | undefined,
  about: Omit<Act, 'view' | 'begunAt'>,
): Promise<Act> {
  // A release that was taken back by itself pauses deploys until a person says to go on.
  const argv = ['deploy', '--commit', version, ...(stage.takenBack ? ['--resume-deploys'] : [])];
  const begunAt = Date.now();
  stage.screen.command(`towpath ${argv.join(' ')}`);
  const begun: RolloutView = JSON.parse(await ran(stage, [...argv, '--no-follow', '--json']));
  await meddle?.(begun);
  const view = await ended(stage, begun.id);
  stage.takenBack ||= view.status === 'rolled-back';
  return { ...about, view, begunAt };
}

async function ran(stage: Stage, argv: readonly string[]): Promise<string> {
  const done = await stage.project.cli(argv);
  stage.signal.throwIfAborted();
  if (done.code === 0) return done.stdout;
  throw new Error(`towpath ${argv.join(' ')} ended with ${done.code}: ${done.stdout}${done.stderr}`);
}

/** Waits for the end and the report. */
async function ended(stage: Stage, id: number): Promise<RolloutView> {
  const deadline = performance.now() + ROLLOUT_MS;
  for (;;) {
    stage.signal.throwIfAborted();
    await stage.caughtUp();
    const now = stage.finished.has(id) ? await stage.project.rollout(id).catch(() => undefined) : undefined;
    if (now !== undefined && now.endedAt !== null && now.report !== null) return now;
    if (performance.now() > deadline) throw new Error(`rollout ${id} did not end within ${ROLLOUT_MS / 1000} s`);
    await delay(100);
  }
}
