export type { ReleaseTotals, Router, RouterState, RouterTarget, RouteTable } from './contract.ts';
export {
  createEmbeddedRouter,
  ensureRouter,
  releaseOverride,
  stopRouter,
  type EnsureRouterOptions,
  type RouterProcess,
} from './embedded/index.ts';
