import type { Json } from '../../kernel/index.ts';
import type { NewStep, Step } from '../../workflow/index.ts';
import type { DescribedStep } from '../model.ts';
import type { ReleaseNeeds } from '../needs.ts';
import type { ReleaseStore } from '../store.ts';
import type { World } from '../world.ts';
import type { Measure } from '../measure.ts';

/** What every step of a rollout works with. */
export interface StepTools {
  readonly needs: ReleaseNeeds;
  readonly store: ReleaseStore;
  readonly world: World;
  readonly measure: Measure;
  readonly describe: (steps: readonly NewStep[]) => { steps: DescribedStep[]; pointsOfNoReturn: string[] };
}

/** Inputs are stored as JSON by the plan that also names the step, so the shape is the plan's word. */
export function asStep<In>(step: Step<In>): Step<Json> {
  // oxlint-disable-next-line no-unsafe-type-assertion -- see above
  return step as unknown as Step<Json>;
}

/** Milliseconds to the next of looks every so often, without sleeping past a moment that decides something. */
export function untilLook(everyMs: number, heldMs: number, moments: readonly number[]): number {
  return Math.min(everyMs, ...moments.map((moment) => moment - heldMs).filter((ms) => ms > 0));
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;
