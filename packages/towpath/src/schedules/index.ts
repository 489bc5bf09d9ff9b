export { createSchedules } from './schedules.ts';
export type { CronGroupNow, Generation, RunState, ScheduleNeeds, Schedules, TickEvent, TickRun } from './model.ts';
