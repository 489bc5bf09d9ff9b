import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView, SignalAnswer } from '@towpath/wire';
import type { Project } from '../project.ts';
import { oneOf, type Random } from './random.ts';

const ENDS_WITHIN_MS = 120_000;
/** Where a rollout is taken back; most of them after the work was handed over. */
const TURNS = ['start', 'stage', 'workers', 'cron', 'bake', 'bake', 'retire'];
const TURNED_SHARE = 0.35;

/**
 * Deploys a version and waits for the end. Now and then it is rolled back on the way; a rollback that
 * comes after the point of no return is a rollout of its own, in the other direction.
 * @returns the rollouts that it took
 */
export async function rollOut(
  project: Project,
  version: string,
  random: Random | undefined,
): Promise<readonly RolloutView[]> {
  const begun = await project.json<RolloutView>(['deploy', '--commit', version, '--no-follow', '--resume-deploys']);
  const ids = new Set([begun.id]);
  if (random !== undefined && random() < TURNED_SHARE) {
    const at = oneOf(random, TURNS) ?? 'bake';
    if (await reaches(project, begun.id, at)) {
      const answer = await project.json<SignalAnswer>(['rollback', '--no-follow']);
      if (answer.rollout !== null) ids.add(answer.rollout);
    }
  }
  const ended: RolloutView[] = [];
  for (const id of ids) ended.push(await project.ended(id, ENDS_WITHIN_MS));
  return ended;
}

/** @returns false when it has ended before */
async function reaches(project: Project, id: number, step: string): Promise<boolean> {
  for (;;) {
    const now = await project.rollout(id);
    if (now.steps.some((one) => one.name === step && one.state !== 'pending')) return true;
    if (now.endedAt !== null) return false;
    await delay(20);
  }
}
