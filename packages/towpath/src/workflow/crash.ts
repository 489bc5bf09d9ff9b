import { sleep } from '../system/index.ts';

/** Where a controller can be made to die, to prove that it converges after it. */
export type CrashPoint = 'before' | 'inside' | 'after';
export const CRASH_POINTS: readonly CrashPoint[] = ['before', 'inside', 'after'];

export type Direction = 'do' | 'undo';

/** `stage#3:do:inside`: step name, its index in the run, direction, point. */
export const crashName = (step: string, index: number, direction: Direction, point: CrashPoint): string =>
  `${step}#${index}:${direction}:${point}`;

/**
 * Kills this process with SIGKILL at one named point, as a power cut would: nothing is thrown, nothing
 * is cleaned up. `wanted` comes from TOWPATH_CRASH_AT. With `~1500` behind the name the process lives, and
 * stays at that point for 1500 ms, once: so that a command can be given while a step of a few ms is under way.
 */
export function createCrash(wanted: string | undefined, kill: () => void) {
  const [at, stayMs] = wanted?.split('~') ?? [];
  let stayed = false;
  return async (step: string, index: number, direction: Direction, point: CrashPoint): Promise<void> => {
    if (at === undefined || stayed || at !== crashName(step, index, direction, point)) return;
    if (stayMs === undefined) return kill();
    stayed = true;
    await sleep(Number(stayMs));
  };
}
export type Crash = ReturnType<typeof createCrash>;
