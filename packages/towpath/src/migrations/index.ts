export { readMigrations } from './files.ts';
export { pending } from './history.ts';
export { createExpand, type Expand, type ExpandNeeds, type ExpandOptions } from './expand.ts';
export type { AppliedNow, Blocker, Migration, Pending } from './model.ts';
