import type { Core } from './core.ts';
import type { Health } from './health.ts';
import type { Tokens } from './tokens.ts';
import type { Upstream } from './upstream.ts';

/** What the transport is made of. */
export interface ServerParts {
  readonly core: Core<Upstream>;
  readonly health: Health<Upstream>;
  readonly tokens: Tokens;
  /** Believe X-Forwarded-* of whoever connects: only behind a proxy of one's own. */
  readonly trustProxy: boolean;
  readonly connectMs: number;
  /** A fresh request id. */
  readonly nextId: () => string;
  /** Called whenever a request was claimed. */
  readonly onClaim: () => void;
}
