export { createWorkflow, type Duty, type Operation, type Workflow, type WorkflowNeeds } from './engine.ts';
export { createCrash, crashName, CRASH_POINTS, type Crash } from './crash.ts';
export type { Observer, StepFacts } from './drive.ts';
export type { Lease } from './lease.ts';
export type { SignalName, Step, StepContext } from './model.ts';
export type { NewStep, StoredRun, StoredStep } from './store.ts';
