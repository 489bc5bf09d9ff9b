/** One firing of a schedule. A run that failed is repeated with the same id. */
export interface Tick {
  /** The same for every attempt at this tick: store it with the effect, under a unique key. */
  readonly id: string;
  /** When it was due, not when it runs. */
  readonly scheduledAt: Date;
  /** 1 for the first run. */
  readonly attempt: number;
}

/** @internal */
export function readTick(
  env: Readonly<Record<string, string | undefined>>,
  problem: (message: string) => void,
): Tick | undefined {
  const at = env['TOWPATH_TICK'];
  const id = env['TOWPATH_TICK_ID'];
  if (at === undefined || id === undefined) return undefined;
  const scheduledAt = new Date(at);
  if (Number.isNaN(scheduledAt.getTime())) {
    problem(`TOWPATH_TICK is not a time: ${at}`);
    return undefined;
  }
  const attempt = Number(env['TOWPATH_TICK_ATTEMPT'] ?? '1');
  return { id, scheduledAt, attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : 1 };
}
