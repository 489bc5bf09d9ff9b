export { createLocalProvider, type LocalProviderOptions } from './local.ts';
export type { SupervisionEvent } from './supervise.ts';
