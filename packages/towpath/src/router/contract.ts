import type { Fence, SparseHistogram } from '../kernel/index.ts';

/** One place to send requests to. */
export interface RouterTarget {
  /** The instance's id. */
  readonly id: string;
  readonly release: number;
  readonly host: string;
  readonly port: number;
}

/** The whole of what a router is told; it is replaced as a whole and kept in its snapshot. */
export interface RouteTable {
  readonly targets: readonly RouterTarget[];
  /** Shares in percent; they sum to 100, or are all absent when nothing serves yet. */
  readonly weights: readonly { readonly release: number; readonly weight: number }[];
  /**
   * Keeps a browser on its release by a signed cookie while two releases share traffic. The cookie
   * holds a fixed bucket of 10,000; the buckets below the new release's weight are its own, so nobody
   * flips back while the weight rises.
   */
  readonly sticky: boolean;
  /** The release that gets the low buckets while two share traffic. */
  readonly candidate?: number;
  /** While true, new requests wait (bounded) instead of being sent. */
  readonly hold: boolean;
}

/** Ever-growing counters of one release since the router started. */
export interface ReleaseTotals {
  readonly release: number;
  /** Answered or failed; requests in flight are not counted yet. */
  readonly requests: number;
  /** 5xx answers, resets, timeouts, and requests nobody could be found for. */
  readonly failures: number;
  readonly byStatus: Readonly<Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx' | 'aborted', number>>;
  /** Time to the last byte, in microseconds; SSE and WebSockets are not in it. */
  readonly latency: SparseHistogram;
}

export interface RouterState {
  /** Another one after each start of the router; counters began at 0 then. */
  readonly boot: string;
  readonly pid: number;
  /** ms since the epoch */
  readonly startedAt: number;
  readonly epoch: number;
  readonly table: RouteTable;
  readonly inFlight: readonly { readonly release: number; readonly requests: number; readonly upgraded: number }[];
  readonly totals: readonly ReleaseTotals[];
  readonly targets: readonly { readonly id: string; readonly healthy: boolean }[];
  /** Requests that wait in a hold now. */
  readonly held: number;
  /** Requests known to have been in flight when an earlier process of this router was killed. */
  readonly lostAtRestart: number;
}

/**
 * The data plane of one environment. `apply` resolves when the table is in force, not when it is
 * accepted: from then on no new request goes by the old one.
 *
 * Errors: `router.unreachable` (remedy retry), `router.bad_table`, `lease.fenced`.
 */
export interface Router {
  readonly name: string;
  /** What it cannot do, each with the reason. */
  readonly cannot: readonly { readonly what: 'weights' | 'sticky' | 'hold' | 'counts'; readonly because: string }[];
  apply(table: RouteTable, fence: Fence, signal: AbortSignal): Promise<RouterState>;
  observe(signal: AbortSignal): Promise<RouterState>;
}
