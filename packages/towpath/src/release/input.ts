import type { Json } from '../kernel/index.ts';
import type { RolloutInput } from './model.ts';

/** What a rollout's run is about. */
export const inputOf = (run: { readonly input: Json }): RolloutInput => {
  // oxlint-disable-next-line no-unsafe-type-assertion -- begin() is the only writer of a rollout's run
  return run.input as unknown as RolloutInput;
};
