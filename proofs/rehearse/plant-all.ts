import { goodRelease, neverReady, rollbackByHand, type Act } from './acts.ts';
import { BREAKS, meddling, type Break } from './breaks.ts';
import { observe } from './observe.ts';
import { judgeRehearsal, type Kept, type PromiseName } from './promises.ts';
import type { Stage } from './stage.ts';

/** What the changed ledger must not spoil comes before it. */
const LAST: PromiseName = 'tampered-ledger';

/**
 * Plants every break in the world of a rehearsal that has ended, one after the other, and looks whether
 * the promise that it breaks, and no other, is then found broken.
 */
export async function plantAll(
  stage: Stage,
  acts: readonly Act[],
  before: readonly Kept[],
): Promise<{ readonly planted: number; readonly missed: string[] }> {
  const known = new Set(before.filter(({ ok }) => !ok).map(({ promise }) => promise));
  const missed: string[] = [];
  const all = [...acts];
  let serving = 1;
  let planted = 0;
  for (const one of BREAKS.toSorted((a, b) => rank(a) - rank(b))) {
    stage.screen.act(`planted: ${one.does}`);
    if (one.when === 'good release') all.push(await goodRelease(stage, 'v5', meddling(stage, one, one.when)));
    if (one.when === 'never ready') all.push(await neverReady(stage, meddling(stage, one, one.when)));
    if (one.when === 'rollback by hand') {
      serving = serving === 1 ? 2 : 1;
      all.push(await rollbackByHand(stage, serving, meddling(stage, one, one.when)));
    }
    if (one.when === 'end') await one.plant(stage, { release: serving });
    planted++;
    const broken = judgeRehearsal(await observe(stage, all, serving)).filter(({ ok }) => !ok);
    const fresh = broken.filter(({ promise }) => !known.has(promise));
    stage.screen.say(fresh.map(({ reason }) => `found: ${reason}`).join(' | ') || 'found: nothing');
    if (!broken.some(({ promise }) => promise === one.promise))
      missed.push(`${one.does}: ${one.promise} was not found broken`);
    for (const { promise, reason } of fresh) {
      if (promise !== one.promise) missed.push(`${one.does}: also found ${promise}: ${reason}`);
      known.add(promise);
    }
  }
  return { planted, missed };
}

const rank = (one: Break): number => (one.promise === LAST ? 2 : one.when === 'end' ? 1 : 0);
