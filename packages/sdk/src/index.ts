export type { Checks, Readiness, ReadinessAnswer } from './health.ts';
export type { Acknowledgement, Role } from './protocol.ts';
export { closeServer, type ShutdownHook, type ShutdownOptions } from './shutdown.ts';
export type { Tick } from './tick.ts';
export { towpath, type Towpath } from './towpath.ts';
export type { WorkLoop } from './work-loop.ts';
