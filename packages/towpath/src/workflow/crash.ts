/** Where a controller can be made to die, to prove that it converges after it. */
export type CrashPoint = 'before' | 'inside' | 'after';
export const CRASH_POINTS: readonly CrashPoint[] = ['before', 'inside', 'after'];

export type Direction = 'do' | 'undo';

/** `stage#3:do:inside`: step name, its index in the run, direction, point. */
export const crashName = (step: string, index: number, direction: Direction, point: CrashPoint): string =>
  `${step}#${index}:${direction}:${point}`;

/**
 * Kills this process with SIGKILL at one named point, as a power cut would: nothing is thrown, nothing
 * is cleaned up. `wanted` comes from TOWPATH_CRASH_AT.
 */
export function createCrash(wanted: string | undefined, kill: () => void) {
  return (step: string, index: number, direction: Direction, point: CrashPoint): void => {
    if (wanted !== undefined && wanted === crashName(step, index, direction, point)) kill();
  };
}
export type Crash = ReturnType<typeof createCrash>;
