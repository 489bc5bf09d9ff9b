/** How a router behaves; kept in its snapshot, so that a restart changes nothing. */
export interface RouterSettings {
  /** Believe X-Forwarded-* of whoever connects: only behind a proxy of one's own. */
  readonly trustProxy: boolean;
  /** Requests that may wait in a hold. */
  readonly holdCount: number;
  /** Longest wait in a hold, ms. */
  readonly holdMs: number;
  /** ms until a connect to a target is given up */
  readonly connectMs: number;
  /** ms from the request's last byte to the answer's first */
  readonly headersMs: number;
  /** Connections to one target; further requests queue for one. */
  readonly connections: number;
  /** ms between probes of a target that refused a connection */
  readonly probeMs: number;
}

export const DEFAULT_SETTINGS: RouterSettings = {
  trustProxy: false,
  holdCount: 10_000,
  holdMs: 10_000,
  connectMs: 5000,
  headersMs: 60_000,
  connections: 1024,
  probeMs: 500,
};
