import type { Config } from '../config/index.ts';
import type { Fence, Scope, Secret } from '../kernel/index.ts';
import type { Clock, Database, Log } from '../system/index.ts';
import type { Record as RecordFact } from '../evidence/index.ts';
import type { Judge } from '../judge/index.ts';
import type { Provider } from '../providers/index.ts';
import type { Router } from '../router/index.ts';
import type { Crash } from '../workflow/index.ts';
import type { MigrationFile, ReleaseSource } from './model.ts';

/** What the release engine asks of its neighbours; main/ connects them. One environment each. */
export interface ReleaseNeeds {
  readonly scope: Scope;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this controller in the lease. */
  readonly holder: string;
  readonly leaseTtlMs: number;
  readonly crash: Crash;
  readonly record: RecordFact;
  readonly provider: Provider;
  readonly router: Router;
  readonly judge: Judge;
  readonly builder: Builder;
  readonly expand: Expand;
  readonly cron: Cron;
  /** Values for the app's environment beyond what the config states: DATABASE_URL, the env file. */
  readonly environmentValues: (config: Config) => Promise<Readonly<Record<string, string | Secret>>>;
  /** HTTP status of a GET, or undefined when nobody answered within the time. */
  readonly probe: (url: string, withinMs: number, signal: AbortSignal) => Promise<number | undefined>;
  /** Makes sure that the data plane's processes run; resolves with the public URL. */
  readonly ensureRouter: (signal: AbortSignal) => Promise<{ readonly url: string; readonly started: boolean }>;
  /** Whether the ledger holds the end of this rollout already. */
  readonly isFinished: (rollout: number) => Promise<boolean>;
  /** Writes the report of an ended rollout from the ledger; resolves with where it is. */
  readonly writeReport: (rollout: number) => Promise<{ readonly markdown: string; readonly html: string }>;
}

export interface Built {
  readonly artifact: string;
  readonly location: string;
  readonly config: Config;
  readonly configHash: string;
  readonly migrations: readonly MigrationFile[];
  /** Milliseconds. */
  readonly ms: number;
}

/** Makes artifacts from source, and proves that they are unchanged. */
export interface Builder {
  build(source: ReleaseSource, signal: AbortSignal): Promise<Built>;
  /** @throws TowpathError `artifact.corrupt`, `artifact.missing` */
  verify(artifact: string, signal: AbortSignal): Promise<void>;
}

export interface Applied {
  readonly name: string;
  readonly sha256: string;
  readonly ms: number;
  readonly attempts: number;
}

/** The app's own migrations, on the app's own database. */
export interface Expand {
  pending(config: Config, location: string, signal: AbortSignal): Promise<readonly MigrationFile[]>;
  apply(
    config: Config,
    location: string,
    release: number,
    prove: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<readonly Applied[]>;
}

/** Runs the cron groups of one release, until the signal is aborted. */
export interface Cron {
  /** `current` is read at every tick: the release whose groups fire. */
  run(
    current: () => Promise<{ readonly release: number; readonly config: Config } | undefined>,
    fence: Fence,
    signal: AbortSignal,
  ): Promise<void>;
  /** Something about `current` has changed. */
  changed(): void;
}
