export { createSchedules } from './schedules.ts';
export { nextTick } from './ticks.ts';
export type { CronGroupNow, Generation, RunState, ScheduleNeeds, Schedules, TickEvent, TickRun } from './model.ts';
