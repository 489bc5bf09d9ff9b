import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView, SignalAnswer } from '@towpath/wire';
import { crashName, type CRASH_POINTS } from '../../packages/towpath/src/workflow/index.ts';
import { writeToy, type Project, type ToyOptions } from './project.ts';
import { wrongAtRest } from './world.ts';

/** How long the controller stays in a phase, so that a command surely comes while it is there. */
const STAY_MS = 2000;

/** A moment of a rollout: one step, before, inside or after what it does. */
export interface Phase {
  readonly step: string;
  readonly index: number;
  readonly point: (typeof CRASH_POINTS)[number];
}

export const phaseName = ({ step, index, point }: Phase): string => crashName(step, index, 'do', point);

let versions = 1;
/** Makes the next deploy of the toy differ: another text, and one more migration, so that it has every step. */
export async function nextVersion(dir: string, options: ToyOptions = {}): Promise<void> {
  const n = ++versions;
  const behaviour = { version: `v${n}`, ...options.behaviour };
  await writeToy(dir, { ...options, behaviour });
  const file = path.join(dir, 'migrations', `${String(n).padStart(4, '0')}_more.sql`);
  await writeFile(file, `create table more_${n} (id int primary key);\n`);
}

export async function restartControl(project: Project, env: Readonly<Record<string, string>> = {}): Promise<void> {
  await project.killControl();
  await project.startControl(env);
  for (let looks = 0; looks < 800; looks++) {
    const status = await project.status().catch(() => undefined);
    if (status?.control.leader === true && status.environments.every((one) => one.router !== null)) return;
    await delay(25);
  }
  throw new Error('the control plane does not lead');
}

/** Waits until a rollout is in the n-th step of a name. @throws Error when it ends before */
export async function reaches(project: Project, id: number, step: string, n = 0): Promise<void> {
  for (let looks = 0; looks < 1200; looks++) {
    const now = await project.rollout(id).catch(() => undefined);
    if (now?.steps.filter(({ name }) => name === step)[n]?.state === 'doing') return;
    if (now?.endedAt != null) throw new Error(`the rollout ended before ${step}: ${now.because}`);
    await delay(25);
  }
  throw new Error(`the rollout does not reach ${step}`);
}

/**
 * Commands `towpath rollback` and waits until all that follows from it is over.
 * @returns what is wrong then, nothing when `before` serves again as if nothing had been
 */
export async function rollBack(project: Project, begun: RolloutView, before: number): Promise<readonly string[]> {
  const { rollout } = await project.json<SignalAnswer>(['rollback', '--no-follow']);
  if (rollout === null) return ['the rollback names no rollout'];
  const own = rollout !== begun.id;
  const ended = await project.ended(rollout, 60_000);
  const wanted = own ? 'promoted' : 'rolled-back';
  if (ended.status !== wanted) return [`it ended ${ended.status}, not ${wanted}: ${ended.because}`];
  return [...(await censusOf(project, rollout)), ...(await wrongAtRest(project, { release: before }))];
}

/** What differed in the last census of a rollout that has ended; its ledger is closed a moment later. */
async function censusOf(project: Project, rollout: number): Promise<readonly string[]> {
  for (let looks = 0; looks < 400; looks++) {
    const entries = await project.ledger(rollout);
    if (entries.some(({ kind }) => kind === 'rollout.finished')) {
      const census = entries.findLast(({ kind }) => kind === 'census');
      if (census?.body['equal'] === true) return [];
      return [`the census does not equal the plan: ${JSON.stringify(census?.body['differences'] ?? 'there is none')}`];
    }
    await delay(25);
  }
  return ['its ledger was not closed'];
}

export interface Tried {
  readonly phase: Phase;
  /** Whether the command came while the rollout was in the phase. */
  readonly reached: boolean;
  readonly wrong: readonly string[];
}

/** Deploys, holds the controller in one phase of the rollout, and commands a rollback there. */
export async function rollBackIn(project: Project, phase: Phase, before: number): Promise<Tried> {
  await nextVersion(project.dir);
  await restartControl(project, { TOWPATH_CRASH_AT: `${phaseName(phase)}~${STAY_MS}` });
  const begun = await project.begin();
  const doing = async (): Promise<boolean> => {
    const { steps, endedAt } = await project.rollout(begun.id);
    return endedAt === null && steps.some(({ index, state }) => index === phase.index && state === 'doing');
  };
  let reached = false;
  for (let looks = 0; looks < 1200 && !reached; looks++) {
    reached = await doing();
    if (!reached) await delay(25);
  }
  // The step was begun a moment ago; its point comes within it.
  await delay(300);
  const still = doing();
  const wrong = await rollBack(project, begun, before);
  return { phase, reached: reached && (await still), wrong };
}
