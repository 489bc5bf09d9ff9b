/**
 * Time. `now` is the wall clock and may jump; `elapsed` never goes back and is what deadlines use.
 * Only this file calls Date.now.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some fixed point of this process. */
  elapsed(): number;
}

export const systemClock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };
