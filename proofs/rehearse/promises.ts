/** What was seen of the world during and after a rehearsal. Judged by what is in here alone. */
export interface Observed {
  /** Of all clients: the traffic and the stream of actions. */
  readonly requests: {
    readonly sent: number;
    /** Failed in any way, but for the failures that v3-bad itself answered with. */
    readonly lost: number;
    /** The 500s that v3-bad was made to answer, before it was taken back. */
    readonly planted: number;
    /** Were due, but not sent: this machine could not keep up. */
    readonly notSent: number;
    /** The first of the lost, each in a sentence. */
    readonly examples: readonly string[];
  };
  /** Milliseconds. */
  readonly rollback: {
    /** From the first failure that a client saw of v3-bad until it had no traffic and no failure was seen any more. */
    readonly byItself: number;
    /** From the command until the old release had all requests. */
    readonly byHand: number;
  };
  readonly jobs: { readonly approved: number; readonly duplicate: number; readonly lost: number };
  readonly ticks: { readonly due: number; readonly duplicate: number; readonly lost: number };
  /** Requests of which the router or a client says that v4-bad took them. */
  readonly neverReadyRequests: number;
  readonly ledger: { readonly rows: number; readonly problems: readonly string[] };
  /** What is otherwise than it should be in the machine, the router or the control plane. */
  readonly census: readonly string[];
  /** Rollouts that did not end as they had to. */
  readonly outcomes: readonly string[];
}

export const PROMISES = [
  'lost-request',
  'slow-rollback',
  'duplicate-job',
  'lost-job',
  'duplicate-tick',
  'lost-tick',
  'never-ready-gets-request',
  'tampered-ledger',
  'census',
  'outcome',
] as const;
export type PromiseName = (typeof PROMISES)[number];
export const isPromise = (name: string): name is PromiseName => PROMISES.some((known) => known === name);

export interface Kept {
  readonly promise: PromiseName;
  /** For the report's table. */
  readonly label: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  readonly ok: boolean;
  /** Why it is broken, in a sentence; '' when it is not. */
  readonly reason: string;
  /** Who measured it, and how. */
  readonly source: string;
}

/** The slowest rollback that keeps the promise. */
export const ROLLBACK_MS = 15_000;

/** Holds what was seen against what was promised. */
export function judgeRehearsal(seen: Observed): readonly Kept[] {
  const slowest = Math.max(seen.rollback.byItself, seen.rollback.byHand);
  const none = (
    promise: PromiseName,
    label: string,
    value: number,
    unit: string,
    why: string,
    source: string,
  ): Kept => {
    const ok = value === 0;
    return { promise, label, value, unit, limit: 0, ok, reason: ok ? '' : why, source };
  };
  const { requests, jobs, ticks, ledger, census, outcomes } = seen;
  const first = (lines: readonly string[]): string => (lines[0] === undefined ? '' : `: ${lines[0]}`);
  return [
    none('lost-request', 'lost requests', requests.lost, 'requests', `${requests.lost} of ${requests.sent} requests were lost${first(requests.examples)}`, 'clients'), // prettier-ignore
    {
      promise: 'slow-rollback',
      label: 'slowest rollback',
      value: Math.round(slowest),
      unit: 'ms',
      limit: ROLLBACK_MS,
      ok: slowest <= ROLLBACK_MS,
      reason:
        slowest <= ROLLBACK_MS
          ? ''
          : `a rollback took ${(slowest / 1000).toFixed(1)} s; it must take at most ${ROLLBACK_MS / 1000} s`,
      source: 'clients, ledger',
    },
    none('duplicate-job', 'duplicate jobs', jobs.duplicate, '', `Shopify saw ${jobs.duplicate} effects too many for ${jobs.approved} approved actions`, 'Shopify simulator'), // prettier-ignore
    none('lost-job', 'lost jobs', jobs.lost, '', `${jobs.lost} of ${jobs.approved} approved actions had no effect at Shopify`, 'Shopify simulator'), // prettier-ignore
    none('duplicate-tick', 'duplicate ticks', ticks.duplicate, '', `${ticks.duplicate} cron ticks took effect twice`, 'app database, clock'), // prettier-ignore
    none('lost-tick', 'lost ticks', ticks.lost, '', `${ticks.lost} of ${ticks.due} cron ticks took no effect`, 'app database, clock'), // prettier-ignore
    none('never-ready-gets-request', 'requests to a release not ready', seen.neverReadyRequests, 'requests', `the release that was never ready got ${seen.neverReadyRequests} requests`, 'clients, router'), // prettier-ignore
    none('tampered-ledger', 'ledger rows that do not hold', ledger.problems.length, '', `the ledger does not hold${first(ledger.problems)}`, 'evidence verify'), // prettier-ignore
    none('census', 'differences of plan and world', census.length, '', `the world is not as planned${first(census)}`, 'processes, router'), // prettier-ignore
    none('outcome', 'rollouts with a wrong end', outcomes.length, '', `a rollout ended otherwise than it must${first(outcomes)}`, 'ledger'), // prettier-ignore
  ];
}
