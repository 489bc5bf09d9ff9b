import type { Config } from '../config/index.ts';

export interface MigrationFile {
  readonly name: string;
  readonly sha256: string;
}

/** What was built: a release is this with a number. */
export interface Bundle {
  readonly artifact: string;
  /** local: the folder of the artifact. */
  readonly location: string;
  readonly config: Config;
  readonly configHash: string;
  readonly migrations: readonly MigrationFile[];
}

export interface Release extends Bundle {
  readonly number: number;
  readonly source: ReleaseSource;
  readonly createdAt: Date;
  readonly buildMs: number;
}

export type ReleaseSource =
  | { readonly kind: 'directory'; readonly dir: string; readonly ref: string }
  | { readonly kind: 'commit'; readonly dir: string; readonly commit: string; readonly ref: string };

/** What an environment is meant to run while no rollout moves it. */
export interface EnvironmentState {
  readonly serving: number | null;
  readonly servingRun: number | null;
  readonly cronRelease: number | null;
  readonly cronRun: number | null;
  readonly deploysPaused: string | null;
}

export type Reason = 'deploy' | 'rollback';

/** What a rollout's run is about; the input of the run and of every step. */
export interface RolloutInput {
  readonly from: number | null;
  readonly to: number;
  readonly reason: Reason;
  /** Refuse unless the plan has this hash. */
  readonly plan: string | null;
}

export interface DescribedStep {
  readonly index: number;
  readonly name: string;
  readonly title: string;
  /** How it is taken back, or why it need not be, or that it cannot be. */
  readonly undo: string;
}
