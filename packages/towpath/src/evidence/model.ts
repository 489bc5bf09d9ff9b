import type { ErrorBody, Scope, VerdictKind } from '../kernel/index.ts';

/** One traffic figure in the ledger. */
export interface TrafficSample {
  readonly release: number;
  readonly requests: number;
  readonly failures: number;
  /** Microseconds; null when nothing was recorded. */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
}

export interface Weight {
  readonly release: number;
  readonly weight: number;
}

/** What can stand in the ledger: a claim by its kind, and its proof as the body. */
export type Fact =
  | { kind: 'control.started'; body: { pid: number; version: string } }
  | { kind: 'lease.taken'; body: { epoch: number; holder: string } }
  | {
      kind: 'release.created';
      body: {
        release: number;
        artifact: string;
        source: { kind: 'commit' | 'directory'; ref: string };
        configHash: string;
        migrations: { name: string; sha256: string }[];
        groups: string[];
        buildMs: number;
      };
    }
  | {
      kind: 'rollout.planned';
      body: {
        planHash: string;
        from: number | null;
        to: number;
        reason: 'deploy' | 'rollback';
        steps: { index: number; name: string; title: string; undo: string }[];
        pointsOfNoReturn: string[];
        extraInstances: number;
        extraMemoryMb: number;
      };
    }
  | {
      kind: 'rollout.started';
      body: { from: number | null; to: number; reason: 'deploy' | 'rollback'; planHash: string };
    }
  | {
      kind: 'step.started';
      body: { index: number; step: string; title: string; direction: 'do' | 'undo'; attempt: number };
    }
  | {
      kind: 'step.done';
      body: { index: number; step: string; title: string; direction: 'do' | 'undo'; ms: number; proof: string };
    }
  | {
      kind: 'step.failed';
      body: { index: number; step: string; title: string; direction: 'do' | 'undo'; ms: number; error: ErrorBody };
    }
  | { kind: 'effect'; body: { step: string; effect: string; epoch: number } }
  | { kind: 'signal.received'; body: { signal: string; reason: string } }
  | { kind: 'traffic.shifted'; body: { weights: Weight[]; because: string; ms: number } }
  | { kind: 'traffic.sampled'; body: { windowMs: number; weights: Weight[]; releases: TrafficSample[] } }
  | { kind: 'verdict'; body: { stage: string; weight: number; verdict: VerdictKind; because: string; input: unknown } }
  | { kind: 'migration.applied'; body: { name: string; sha256: string; ms: number; attempts: number } }
  | {
      kind: 'instance';
      body: { id: string; token: string; release: number; group: string; event: string; because: string };
    }
  | {
      kind: 'tick';
      body: {
        group: string;
        at: string;
        release: number;
        event: 'claimed' | 'done' | 'failed' | 'skipped';
        attempt: number;
        because: string;
      };
    }
  | { kind: 'census'; body: { equal: boolean; expected: string[]; found: string[]; differences: string[] } }
  | {
      kind: 'rollout.finished';
      body: {
        outcome: 'promoted' | 'rolled-back' | 'failed';
        serving: number | null;
        because: string;
        ms: number;
        releases: TrafficSample[];
        error: ErrorBody | null;
      };
    };

export type FactKind = Fact['kind'];

/** One row. `hash` = sha256 of `previous` + canonical JSON of the rest. */
export type LedgerEntry = {
  readonly seq: number;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  readonly scope: Scope | null;
  readonly rollout: number | null;
  /** Who or what: `user:ann`, `engine`, `keeper`. */
  readonly actor: string;
  readonly previous: string;
  readonly hash: string;
} & Fact;

/** What a module that claims things asks for. */
export type Record = (
  fact: Fact,
  about: { readonly scope?: Scope; readonly rollout?: number; readonly actor: string },
) => Promise<LedgerEntry>;
