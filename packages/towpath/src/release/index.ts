export {
  createEnvironment,
  stepKinds,
  type DescribedPlan,
  type Environment,
  type RolloutAsk,
  type RolloutSource,
} from './environment.ts';
export { control, type ControlAsk } from './control.ts';
export { viewEnvironment, viewRollout } from './view.ts';
export { inputOf } from './input.ts';
export { instanceSpec } from './wanted.ts';
export type { Applied, Builder, Built, Cron, Expand, ReleaseNeeds } from './needs.ts';
export type { MigrationFile, Release, ReleaseSource } from './model.ts';
