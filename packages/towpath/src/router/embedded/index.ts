export { createEmbeddedRouter, releaseOverride } from './client.ts';
export { ensureRouter, stopRouter, type EnsureRouterOptions, type RouterProcess } from './launch.ts';
