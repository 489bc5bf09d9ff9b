import type { ExitFact, InstanceSpec } from '../contract.ts';

/** What is remembered of an instance's ends; times are the clock's `elapsed`, in milliseconds. */
export interface Ends {
  /** When it ended, the latest last. */
  readonly at: readonly number[];
  /** Ends in a row after runs shorter than a minute. */
  readonly streak: number;
}

export type NextMove =
  | { readonly do: 'rest'; readonly because: string }
  | { readonly do: 'restart'; readonly afterMs: number; readonly because: string }
  | { readonly do: 'give-up'; readonly because: string };

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const LOOP_ENDS = 5;
const LOOP_WINDOW_MS = 60_000;

export const noEnds: Ends = { at: [], streak: 0 };

/** Adds an end. @param ranMs how long it had run */
export function addEnd(ends: Ends, now: number, ranMs: number): Ends {
  return {
    at: [...ends.at.filter((at) => now - at < LOOP_WINDOW_MS), now],
    streak: ranMs >= LOOP_WINDOW_MS ? 1 : ends.streak + 1,
  };
}

/** Whether the policy wants it back after this end. An end that nobody saw counts as a failure. */
export function wantsRestart(policy: InstanceSpec['restart'], exit: ExitFact): boolean {
  if (policy === 'always') return true;
  return policy === 'on-failure' && exit.code !== 0;
}

/** What to do after an instance ended by itself, or for its size; `ends` holds that end too. */
export function afterEnd(policy: InstanceSpec['restart'], exit: ExitFact, ends: Ends): NextMove {
  const how = describeExit(exit);
  if (!wantsRestart(policy, exit)) return { do: 'rest', because: `${how}; its restart policy is ${policy}` };
  if (ends.at.length >= LOOP_ENDS) {
    return { do: 'give-up', because: `crash loop: ended ${ends.at.length} times within 60 s, lastly ${how}` };
  }
  const afterMs = Math.min(FIRST_PAUSE_MS * 2 ** (Math.max(ends.streak, 1) - 1), LONGEST_PAUSE_MS);
  return { do: 'restart', afterMs, because: `${how}; starts again after ${afterMs} ms` };
}

/** The end in words. */
export function describeExit(exit: ExitFact): string {
  if (exit.reason === 'memory') return 'ended for being over its memory limit';
  if (exit.reason === 'unseen') return 'ended while nobody watched';
  if (exit.reason === 'requested') return 'stopped on request';
  return exit.signal === undefined ? `exit code ${exit.code ?? '?'}` : `killed by ${exit.signal}`;
}
