import { Cron } from 'croner';
import { TowpathError } from '../kernel/index.ts';

const SHAPE = /^(@(yearly|annually|monthly|weekly|daily|hourly)|\S+(\s+\S+){4,5})$/;

/** @throws TowpathError `schedule.invalid` */
function parse(schedule: string): Cron {
  const fail = (why: string, cause?: unknown): TowpathError =>
    new TowpathError('schedule.invalid', `"${schedule}" is not a schedule: ${why}`, {
      remedy: 'fix-input',
      hint: 'write a cron expression of 5 fields (minute hour day month weekday), or 6 with seconds first, in UTC',
      cause,
    });
  if (!SHAPE.test(schedule.trim())) throw fail('it has not 5 or 6 fields');
  try {
    return new Cron(schedule.trim(), { timezone: 'UTC', paused: true });
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
}

/** The first tick after a time, both in ms since the epoch; undefined when there is none any more. */
export function nextTick(schedule: string, after: number): number | undefined {
  return parse(schedule).nextRun(new Date(after))?.getTime();
}

/** The ticks in (after, until], at most `limit` of them, the earliest first. */
export function ticksBetween(schedule: string, after: number, until: number, limit: number): readonly number[] {
  const cron = parse(schedule);
  const found: number[] = [];
  let next = cron.nextRun(new Date(after))?.getTime();
  while (next !== undefined && next <= until && found.length < limit) {
    found.push(next);
    next = cron.nextRun(new Date(next))?.getTime();
  }
  return found;
}
