import { sha256, TowpathError, type ErrorBody, type Scope } from '../kernel/index.ts';
import type { Fact, LedgerEntry, TrafficSample, Weight } from './model.ts';
import { contentOf, entryOf, GENESIS, hashOf } from './row.ts';

/** Builds rows of a ledger that hang together, without a database. */
export interface Rows {
  readonly entries: readonly LedgerEntry[];
  /** Lets time pass. @param ms milliseconds */
  wait(ms: number): Rows;
  add(fact: Fact, actor?: string): Rows;
  /** A step that is done. */
  step(index: number, ms: number, proof: string, direction?: 'do' | 'undo'): Rows;
  begin(index: number, attempt?: number, direction?: 'do' | 'undo'): Rows;
  effect(index: number, effect: string): Rows;
  /** One window of traffic: requests a second and failed share of each release. */
  traffic(
    weights: readonly Weight[],
    per: Readonly<Record<number, { readonly rate: number; readonly failed?: number; readonly slow?: number }>>,
  ): Rows;
  /** Requests and failures of a release so far. */
  counted(release: number): { readonly requests: number; readonly failures: number };
  finish(
    outcome: 'promoted' | 'rolled-back' | 'failed',
    serving: number | null,
    because: string,
    error?: TowpathError,
  ): Rows;
}

const SCOPE: Scope = { app: 'growth', environment: 'production' };

interface Start {
  readonly rollout: number;
  readonly from: number | null;
  readonly to: number;
  readonly reason?: 'deploy' | 'rollback';
  readonly actor?: string;
  readonly ref?: string;
  readonly stages?: readonly number[];
}

const STEPS = (from: number | null, to: number, stages: readonly number[]) => [
  {
    name: 'expand',
    title: 'apply 1 migration: 0004_add_impact.sql',
    undo: 'nothing: the old release can live with it',
  },
  { name: 'start', title: `start 4 instances of release ${to} beside release ${from ?? 'none'}`, undo: 'stop them' },
  ...stages.map((weight) => ({
    name: 'stage',
    title: `send ${weight} % of the requests to release ${to}, for at least 10.0s, until judged healthy`,
    undo: 'all requests go to the old release again',
  })),
  {
    name: 'workers',
    title: `hand the workers over from release ${from ?? 'none'} to release ${to}`,
    undo: 'the old workers claim again',
  },
  {
    name: 'bake',
    title: `keep release ${from ?? 'none'} warm for 20.0s`,
    undo: 'all requests go to the old release again',
  },
  {
    name: 'retire',
    title: `stop the instances of release ${from ?? 'none'}`,
    undo: 'never: the old instances are gone, but its artifact can be started again',
  },
  { name: 'census', title: 'compare what runs with the plan', undo: 'nothing: it only looks' },
];

export function buildRows(start: Start): Rows {
  const { rollout, from, to, reason = 'deploy', actor = 'user:ann' } = start;
  const stages = start.stages ?? [5, 25, 100];
  // The first step makes the release and the plan of the others.
  const steps = STEPS(from, to, stages).map((step, i) => ({ index: i + 1, ...step }));
  const entries: LedgerEntry[] = [];
  const sums = new Map<number, { requests: number; failures: number; p50Us: number | null; p99Us: number | null }>();
  let now = Date.UTC(2026, 10, 22, 14, 3, 20) + rollout * 3_600_000;
  let noise = rollout;
  // A fixed sequence: the same rows at each run.
  const random = (): number => {
    noise = (noise * 1_103_515_245 + 12_345) % 2_147_483_648;
    return noise / 2_147_483_648;
  };
  const push = (fact: Fact, who: string, of: number | null): void => {
    const previous = entries.at(-1)?.hash ?? GENESIS;
    const seq = (entries.at(-1)?.seq ?? 100 * rollout) + 1;
    const content = contentOf({ seq, at: new Date(now).toISOString(), scope: SCOPE, rollout: of, actor: who, fact });
    entries.push(entryOf(content, previous, hashOf(previous, content)));
    now += 3;
  };
  const facts = (index: number) => ({
    index: index + 1,
    step: steps[index]?.name ?? '',
    title: steps[index]?.title ?? '',
  });
  let epoch = rollout * 2;
  let began = now;

  const rows: Rows = {
    entries,
    wait(ms) {
      now += ms;
      return rows;
    },
    add(fact, who = 'engine') {
      if (fact.kind === 'lease.taken') epoch = fact.body.epoch;
      push(fact, who, rollout);
      return rows;
    },
    begin(index, attempt = 0, direction = 'do') {
      return rows.add({ kind: 'step.started', body: { ...facts(index), direction, attempt } });
    },
    step(index, ms, proof, direction = 'do') {
      now += ms;
      return rows.add({ kind: 'step.done', body: { ...facts(index), direction, ms, proof } });
    },
    effect: (index, effect) => rows.add({ kind: 'effect', body: { step: steps[index]?.name ?? '', effect, epoch } }),
    traffic(weights, per) {
      now += 1000;
      const releases = Object.entries(per).map(([key, { rate, failed = 0, slow = 1 }]): TrafficSample => {
        const requests = Math.round(rate * (0.95 + 0.1 * random()));
        const failures = Math.round(requests * failed * (0.7 + 0.6 * random()));
        const p50Us = Math.round(4200 * slow * (0.95 + 0.1 * random()));
        const p99Us = Math.round(31_000 * slow * (0.8 + 0.5 * random()));
        const release = Number(key);
        const sum = sums.get(release) ?? { requests: 0, failures: 0, p50Us: null, p99Us: null };
        sums.set(release, { requests: sum.requests + requests, failures: sum.failures + failures, p50Us, p99Us });
        return {
          release,
          requests,
          failures,
          p50Us: requests === 0 ? null : p50Us,
          p99Us: requests === 0 ? null : p99Us,
        };
      });
      return rows.add({ kind: 'traffic.sampled', body: { windowMs: 1000, weights: [...weights], releases } });
    },
    counted: (release) => sums.get(release) ?? { requests: 0, failures: 0 },
    finish(outcome, serving, because, error) {
      const releases = [...sums].map(([release, sum]) => ({ release, ...sum }));
      const body = {
        outcome,
        serving,
        because,
        ms: now - began,
        releases,
        error: error === undefined ? null : errorBody(error),
      };
      return rows.add({ kind: 'rollout.finished', body });
    },
  };

  const made = (release: number, ref: string): Fact => ({
    kind: 'release.created',
    body: {
      release,
      artifact: `sha256:${sha256(`artifact ${release}`)}`,
      source: { kind: 'commit', ref },
      configHash: sha256(`config ${Math.ceil(release / 2)}`),
      migrations: [
        '0001_init.sql',
        '0002_actions.sql',
        '0003_recommenders.sql',
        ...(release > 2 ? ['0004_add_impact.sql'] : []),
      ].map((name) => ({ name, sha256: sha256(name) })),
      groups: ['web', 'actions', 'seo-ctr'],
      buildMs: 8230 + release,
    },
  });
  if (from !== null) push(made(from, 'v1 (8c1f2aa)'), 'user:ben', null);
  now += 600_000;
  began = now;
  const planHash = sha256(`plan ${rollout}`);
  const build = { index: 0, step: 'build', title: `build release ${to}`, direction: 'do' } as const;
  rows.add({ kind: 'rollout.started', body: { from, to, reason, planHash: '' } }, actor);
  rows.add({ kind: 'lease.taken', body: { epoch, holder: 'controller-1' } });
  rows.add({ kind: 'step.started', body: { ...build, attempt: 0 } });
  rows.add(made(to, start.ref ?? 'main (d41d8cd)'));
  rows.add({
    kind: 'rollout.planned',
    body: {
      planHash,
      from,
      to,
      reason,
      steps: steps.map(({ index, name, title, undo }) => ({ index, name, title, undo })),
      pointsOfNoReturn: ['retire: the old instances are gone, but its artifact can be started again'],
      extraInstances: 4,
      extraMemoryMb: 1024,
    },
  });
  rows.add({ kind: 'step.done', body: { ...build, ms: 8240, proof: 'the artifact has the content its name says' } });
  return rows;
}

/** Ids are random; rows of a test are not. */
export const errorBody = (error: TowpathError): ErrorBody => ({ ...error.toJSON(), id: '5eed1d00' });
