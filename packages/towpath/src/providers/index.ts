export type {
  Acknowledged,
  ExitFact,
  Instance,
  InstanceSpec,
  InstanceState,
  LogLine,
  LogQuery,
  Provider,
  ProviderLimits,
} from './contract.ts';
export { ensureDestroyed, ensureInstance, ensureRole, patientLooks, type EnsureOptions } from './ensure.ts';
export { createLocalProvider, type LocalProviderOptions, type SupervisionEvent } from './local/index.ts';
