/** What one piece of traffic is. */
export type Kind =
  /** GET /api/actions over a kept connection */
  | 'get'
  /** the same over a connection of its own */
  | 'fresh'
  /** POST /api/echo; what comes back must be what was sent */
  | 'echo'
  /** POST /api/upload in chunks of unknown length; the server must have counted every byte */
  | 'upload'
  /** GET /api/slow, answered after seconds */
  | 'slow'
  /** GET /api/events, an event stream held open for seconds and closed by us */
  | 'events'
  /** /ws, a WebSocket on which every message must come back */
  | 'socket';

export const KINDS: readonly Kind[] = ['get', 'fresh', 'echo', 'upload', 'slow', 'events', 'socket'];

/** Shares of the kinds; they need not sum to anything. A kind that is missing is not sent. */
export type Mix = Readonly<Partial<Record<Kind, number>>>;

/** Of 200 requests a second: 4 slow ones, 2 streams and 4 sockets, so some dozens are open at any time. */
export const DEFAULT_MIX: Mix = { get: 50, fresh: 15, echo: 20, upload: 10, slow: 2, events: 1, socket: 2 };

export interface TrafficOptions {
  /** Base URL: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Requests a second, all kinds together. */
  readonly rps: number;
  readonly mix?: Mix;
  /** Sent with every request, such as a cookie. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Stops by itself after so many. Default 1,000,000. */
  readonly maxRequests?: number;
  /** Stops by itself after so long. Default 30 minutes. */
  readonly maxMs?: number;
  /** No more than this at once; what is due beyond it is counted as `notSent`. Default 2,000. */
  readonly maxInFlight?: number;
  /** Until a response must be complete, beyond the time it is slow on purpose. Default 15 s. */
  readonly timeoutMs?: number;
  /** How slow the slow ones are. Default 5,000. */
  readonly slowMs?: number;
  /** How long streams and sockets are held, at least and at most. Default 2 s to 10 s. */
  readonly heldMs?: readonly [least: number, most: number];
}

/** How a request failed. */
export type FailureCause =
  /** neither 2xx nor 3xx */
  | 'status'
  /** refused, reset, or cut before its end */
  | 'reset'
  | 'timeout'
  /** complete, but not what it had to be */
  | 'content';

export interface Failure {
  readonly kind: Kind;
  readonly cause: FailureCause;
  /** ms since the epoch, when it failed */
  readonly at: number;
  /** ms since the epoch, when it was sent */
  readonly sentAt: number;
  readonly error: string;
  readonly status: number | undefined;
  /** From the response; undefined when none came. */
  readonly release: string | undefined;
  /** Sent over a connection that had been used before. */
  readonly reused: boolean;
}

export interface KindCount {
  sent: number;
  ok: number;
  failed: number;
}

/** Times are ms since the epoch. */
export interface ReleaseCount {
  ok: number;
  failed: number;
  firstAt: number;
  lastAt: number;
  firstFailedAt: number | undefined;
  lastFailedAt: number | undefined;
}

/** Of get, fresh, echo and upload, complete and right; milliseconds, within 6 %. */
export interface Latency {
  readonly count: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
  readonly max: number | undefined;
}

/** `sent = ok + failed + inFlight`, always. */
export interface Counters {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly inFlight: number;
  /** Failures by cause; they sum to `failed`. */
  readonly statuses: number;
  readonly resets: number;
  readonly timeouts: number;
  readonly contents: number;
  /** Due, but not sent because too much was in flight: the generator or the server could not keep up. */
  readonly notSent: number;
  readonly byKind: Readonly<Record<Kind, KindCount>>;
  /** By the response header `x-growth-release`; responses without it are not in here. */
  readonly byRelease: Readonly<Record<string, ReleaseCount>>;
  /** The first of them. */
  readonly failures: readonly Failure[];
  readonly lastFailedAt: number | undefined;
  /** Events and messages that came back. */
  readonly events: number;
  readonly messages: number;
  /** Streams and sockets that the server ended properly before we did. */
  readonly endedByServer: number;
  /** Messages that crossed a close frame of the server, so that no echo came; they are no failures. */
  readonly crossed: number;
  readonly latency: Latency;
  /** Latency of what was sent while this window was marked. */
  readonly windows: Readonly<Record<string, Latency>>;
  /** How late the generator's own clock ran at worst, in ms: more than some tens distorts latencies. */
  readonly worstLagMs: number;
  readonly running: boolean;
}
