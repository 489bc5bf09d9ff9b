import type { Source, Status } from '@towpath/wire';
import type { Ledger } from '../evidence/index.ts';
import type { Log } from '../system/index.ts';
import type { Environment, RolloutSource } from '../release/index.ts';

/** One environment as the API serves it. */
export interface Served {
  readonly environment: Environment;
  readonly leads: () => boolean;
  readonly url: () => string | null;
  /** The value of `x-towpath-release` that reaches a release without traffic. */
  readonly testHeader: (release: number) => Promise<string | null>;
  readonly reportOf: (rollout: number) => { readonly markdown: string; readonly html: string };
}

export interface ApiNeeds {
  readonly app: string;
  readonly control: Omit<Status['control'], 'leader'>;
  /** Where the state is, without the password. */
  readonly database: string;
  readonly environments: ReadonlyMap<string, Served>;
  readonly ledger: Ledger;
  /** Calls back after each new row of the ledger; the answer takes it off again. */
  readonly onLedger: (listener: () => void) => () => void;
  /** Names a source exactly: a commit by its full hash. */
  readonly resolve: (source: Source) => Promise<RolloutSource>;
  /** Ends the control plane after the answer, and the instances too when asked. */
  readonly shutdown: (instances: boolean) => void;
  readonly log: Log;
}
