/** The words that every layer shares (docs/words.md). */

export type GroupKind = 'web' | 'worker' | 'cron';

/**
 * What an instance of a release is told to be. `standby` is up and claims nothing; `active` does the
 * work; `draining` finishes what it has and claims nothing new.
 */
export type Role = 'standby' | 'active' | 'draining';

export type VerdictKind = 'healthy' | 'regressed' | 'insufficient' | 'unmeasurable';

/**
 * Proof that the caller still holds the environment's lease. Every mutation carries it; a driver
 * remembers the highest epoch it has seen and refuses lower ones with `lease.fenced`.
 */
export interface Fence {
  readonly epoch: number;
}

/** A named target of an app. */
export interface Scope {
  readonly app: string;
  readonly environment: string;
}

/** The text by which a scope is keyed everywhere. */
export const scopeKey = (scope: Scope): string => `${scope.app}/${scope.environment}`;
