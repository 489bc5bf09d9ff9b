import type { Fence, GroupKind, Role, Scope, Secret } from '../kernel/index.ts';

/** What an instance is made of. A provider keeps all of it but the environment's values. */
export interface InstanceSpec {
  /**
   * Names the wanted instance, unique among all that ever were: `r12.web.0`, `r12.seo-ctr.<tick>`.
   * Providers store it with the instance, so an answer lost in creation is found again by listing;
   * creation has no idempotency key on Fly.
   */
  readonly token: string;
  readonly scope: Scope;
  readonly release: number;
  readonly group: string;
  readonly kind: GroupKind;
  readonly artifact: { readonly digest: string; /** local: the folder to run in */ readonly location: string };
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly memoryMb: number;
  readonly restart: 'always' | 'on-failure' | 'never';
  readonly stopTimeoutMs: number;
  /** web only: a fixed port, or 0 for a free one; given to the instance in PORT. */
  readonly port?: number;
  readonly role: Role;
}

export type InstanceState =
  /** made, its process may not run yet */
  | 'starting'
  | 'running'
  /** asked to stop */
  | 'stopping'
  /** ended by request, or by itself with nothing left to do; `lastExit` tells */
  | 'stopped'
  /** ended by itself too often (`crash loop`), or badly with `restart: never`; not restarted any more */
  | 'failed';

export interface ExitFact {
  /** Exit code, or undefined when it ended by a signal or nobody saw it end. */
  readonly code?: number;
  readonly signal?: string;
  /** `memory` when we ended it for its size. */
  readonly reason: 'exited' | 'signalled' | 'memory' | 'requested' | 'unseen';
  /** ms since the epoch */
  readonly at: number;
}

/** What a worker said through the sdk; undefined when it never did. */
export interface Acknowledged {
  readonly role: Role;
  /** Jobs in hand. */
  readonly inFlight: number;
  /** Whether it says it can do its work. */
  readonly ready?: boolean;
  readonly at: number;
}

export interface Instance {
  /** The provider's own id. */
  readonly id: string;
  readonly token: string;
  readonly release: number;
  readonly group: string;
  readonly kind: GroupKind;
  readonly state: InstanceState;
  readonly role: Role;
  readonly artifactDigest: string;
  readonly acknowledged?: Acknowledged;
  /** Where it takes requests; web only, once known. */
  readonly address?: { readonly host: string; readonly port: number };
  readonly pid?: number;
  /** How often it was started again after it ended by itself. */
  readonly restarts: number;
  readonly lastExit?: ExitFact;
  /** ms since the epoch */
  readonly createdAt: number;
}

export interface LogLine {
  readonly at: number;
  readonly instance: string;
  readonly release: number;
  readonly group: string;
  readonly stream: 'out' | 'err';
  readonly line: string;
}

export interface LogQuery {
  readonly group?: string;
  readonly instance?: string;
  readonly release?: number;
  /** The last so many lines of each instance, of each stream, before following. */
  readonly tail: number;
  readonly follow: boolean;
}

/** What a provider cannot do, with the reason, so that plans and people are told the truth. */
export interface ProviderLimits {
  /** A list may miss what was made this recently, in milliseconds; 0 when lists are exact. */
  readonly listLagMs: number;
  /** Mutations a second on one scope; undefined when unlimited. */
  readonly mutationsPerSecond?: number;
}

/**
 * Where instances run. Every method observes or closes a gap and can be repeated: "already there" and
 * "already gone" are successes. Mutations carry the fence; a lower epoch than one seen before fails
 * with `lease.fenced`. What carries no mark of ours is never touched.
 *
 * Errors: `provider.busy` (remedy retry: rate limit), `provider.uncertain` (the answer was lost: look
 * before you try again), `provider.unreachable`, `provider.refused`, `provider.gone` (only `setRole`: no
 * such instance), `provider.stuck` (it did not end even when killed), `lease.fenced`. Local only:
 * `provider.port_taken`, `provider.disk_full`, `provider.cannot_start`.
 */
export interface Provider {
  readonly name: string;
  readonly limits: ProviderLimits;
  list(scope: Scope, signal: AbortSignal): Promise<readonly Instance[]>;
  get(scope: Scope, id: string, signal: AbortSignal): Promise<Instance | undefined>;
  /** Makes and starts one. Not idempotent by itself: use `ensureInstance`. */
  create(spec: InstanceSpec, fence: Fence, signal: AbortSignal): Promise<Instance>;
  /** Tells an instance its role. Resolves when it was told; wait for `acknowledged` to know it obeyed. */
  setRole(scope: Scope, id: string, role: Role, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Asks it to end and waits: SIGTERM, then SIGKILL after the spec's stop timeout. Unknown ids succeed. */
  stop(scope: Scope, id: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Stops it if it runs, and forgets it. Unknown ids succeed. */
  destroy(scope: Scope, id: string, fence: Fence, signal: AbortSignal): Promise<void>;
  /** Ends when the signal is aborted, or at the end of what is there when not following. */
  logs(scope: Scope, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /**
   * Adopts what runs, restarts by policy, enforces memory, rotates logs; call it once. Local only does
   * work here. Resolves when the signal is aborted; rejects with `lease.fenced` once a higher epoch is seen.
   */
  supervise(scope: Scope, fence: Fence, signal: AbortSignal): Promise<void>;
}
