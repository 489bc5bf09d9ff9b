import type { LedgerEntry } from '@towpath/wire';
import { field, listOf, numberOf, textOf } from './body.ts';

export interface StepState {
  readonly index: number;
  readonly title: string;
  readonly state: 'pending' | 'doing' | 'done' | 'undoing' | 'undone' | 'failed';
  /** ms since the epoch */
  readonly since: number | undefined;
  readonly ms: number | undefined;
  /** What proved it, or what went wrong. */
  readonly remark: string;
}

export interface Traffic {
  readonly release: number;
  readonly requests: number;
  readonly failures: number;
  readonly p99Us: number | undefined;
}

/** What the entries of one rollout, so far, add up to. */
export interface RolloutState {
  readonly rollout: number | undefined;
  readonly environment: string;
  readonly app: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly reason: string;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly steps: readonly StepState[];
  readonly weights: readonly { readonly release: number; readonly weight: number }[];
  readonly traffic: readonly Traffic[];
  readonly verdict: { readonly kind: string; readonly because: string } | undefined;
  readonly undoing: boolean;
  readonly outcome: 'promoted' | 'rolled-back' | 'failed' | undefined;
  readonly because: string;
  readonly serving: number | undefined;
  /** The last line of the build, while there are no steps. */
  readonly building: string;
}

export const emptyRollout: RolloutState = {
  rollout: undefined,
  environment: '',
  app: '',
  from: undefined,
  to: undefined,
  reason: 'deploy',
  startedAt: undefined,
  endedAt: undefined,
  steps: [],
  weights: [],
  traffic: [],
  verdict: undefined,
  undoing: false,
  outcome: undefined,
  because: '',
  serving: undefined,
  building: '',
};

const weightsOf = (body: unknown): RolloutState['weights'] =>
  listOf(body, 'weights').flatMap((entry) => {
    const release = numberOf(entry, 'release');
    const weight = numberOf(entry, 'weight');
    return release === undefined || weight === undefined ? [] : [{ release, weight }];
  });

const trafficOf = (body: unknown): readonly Traffic[] =>
  listOf(body, 'releases').flatMap((entry) => {
    const release = numberOf(entry, 'release');
    return release === undefined
      ? []
      : [
          {
            release,
            requests: numberOf(entry, 'requests') ?? 0,
            failures: numberOf(entry, 'failures') ?? 0,
            p99Us: numberOf(entry, 'p99Us'),
          },
        ];
  });

/** Samples cover a window each: counts add up, the newest window's p99 stands. */
function addTraffic(sum: readonly Traffic[], window: readonly Traffic[]): readonly Traffic[] {
  const byRelease = new Map(sum.map((entry) => [entry.release, entry]));
  for (const entry of window) {
    const before = byRelease.get(entry.release);
    byRelease.set(entry.release, {
      release: entry.release,
      requests: (before?.requests ?? 0) + entry.requests,
      failures: (before?.failures ?? 0) + entry.failures,
      p99Us: entry.p99Us ?? before?.p99Us,
    });
  }
  return [...byRelease.values()].toSorted((a, b) => a.release - b.release);
}

function withStep(state: RolloutState, body: unknown, change: Partial<StepState>): RolloutState {
  const index = numberOf(body, 'index') ?? -1;
  const known = state.steps.find((step) => step.index === index);
  const base: StepState = known ?? {
    index,
    title: textOf(body, 'title') || textOf(body, 'step'),
    state: 'pending',
    since: undefined,
    ms: undefined,
    remark: '',
  };
  const others = state.steps.filter((step) => step.index !== index);
  return { ...state, steps: [...others, { ...base, ...change }].toSorted((a, b) => a.index - b.index) };
}

const outcomeOf = (text: string): RolloutState['outcome'] =>
  text === 'promoted' || text === 'rolled-back' || text === 'failed' ? text : undefined;

/** One more entry. Kinds it does not know leave the picture as it is. */
export function addEntry(before: RolloutState, entry: LedgerEntry): RolloutState {
  const at = Date.parse(entry.at);
  const body = entry.body;
  const state: RolloutState = {
    ...before,
    rollout: entry.rollout ?? before.rollout,
    environment: entry.scope?.environment ?? before.environment,
    app: entry.scope?.app ?? before.app,
    startedAt: before.startedAt ?? at,
  };
  const undo = textOf(body, 'direction') === 'undo';
  switch (entry.kind) {
    case 'release.created':
      return { ...state, to: numberOf(body, 'release') ?? state.to, building: '' };
    case 'rollout.planned':
      return {
        ...state,
        from: numberOf(body, 'from'),
        to: numberOf(body, 'to') ?? state.to,
        reason: textOf(body, 'reason') || state.reason,
        building: '',
        steps: listOf(body, 'steps').map((step, i) => ({
          index: numberOf(step, 'index') ?? i,
          title: textOf(step, 'title') || textOf(step, 'name'),
          state: 'pending',
          since: undefined,
          ms: undefined,
          remark: '',
        })),
      };
    case 'rollout.started':
      return { ...state, from: numberOf(body, 'from') ?? state.from, to: numberOf(body, 'to') ?? state.to };
    case 'step.started':
      return withStep({ ...state, undoing: state.undoing || undo }, body, {
        state: undo ? 'undoing' : 'doing',
        since: at,
      });
    case 'step.done':
      return withStep(state, body, {
        state: undo ? 'undone' : 'done',
        ms: numberOf(body, 'ms'),
        remark: textOf(body, 'proof'),
      });
    case 'step.failed':
      return withStep(state, body, {
        state: 'failed',
        ms: numberOf(body, 'ms'),
        remark: textOf(field(body, 'error'), 'message'),
      });
    case 'traffic.shifted':
      return { ...state, weights: weightsOf(body) };
    case 'traffic.sampled':
      return { ...state, weights: weightsOf(body), traffic: addTraffic(state.traffic, trafficOf(body)) };
    case 'verdict':
      return { ...state, verdict: { kind: textOf(body, 'verdict'), because: textOf(body, 'because') } };
    case 'rollout.finished': {
      const totals = trafficOf(body);
      return {
        ...state,
        endedAt: at,
        outcome: outcomeOf(textOf(body, 'outcome')),
        because: textOf(body, 'because'),
        serving: numberOf(body, 'serving'),
        traffic: totals.length > 0 ? totals : state.traffic,
      };
    }
    default:
      return state;
  }
}
