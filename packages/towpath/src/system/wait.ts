import { setTimeout as delay } from 'node:timers/promises';
import { TowpathError } from '../kernel/index.ts';

/** Sleeps; rejects with the signal's reason as soon as it is aborted. @param ms milliseconds */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error;
  }
}

export interface UntilOptions {
  /** Milliseconds between looks. */
  readonly every: number;
  /** Milliseconds until it gives up. */
  readonly within: number;
  readonly signal?: AbortSignal;
}

/**
 * Looks until the answer is neither undefined nor false, and returns it. Every wait has a name, a
 * deadline and a signal.
 * @throws TowpathError `wait.deadline`, naming what was waited for
 */
export async function until<T>(
  what: string,
  look: (signal: AbortSignal) => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions,
): Promise<T> {
  const deadline = AbortSignal.timeout(Math.ceil(options.within));
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  let looks = 0;
  const late = (): TowpathError =>
    new TowpathError('wait.deadline', `${what}: not within ${options.within} ms (${looks} looks)`, {
      remedy: 'undo',
      hint: 'see `towpath logs` for what it was doing',
      details: { what, withinMs: options.within, looks },
    });
  for (;;) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (deadline.aborted) throw late();
    looks++;
    try {
      const answer = await look(signal);
      if (answer !== undefined && answer !== false) return answer;
      await sleep(options.every, signal);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (deadline.aborted) throw late();
      throw error;
    }
  }
}
