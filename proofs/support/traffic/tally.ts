import {
  HISTOGRAM_BUCKETS,
  bucketOf,
  quantile,
  type SparseHistogram,
} from '../../../packages/towpath/src/kernel/index.ts';
import {
  KINDS,
  type Counters,
  type Failure,
  type Kind,
  type KindCount,
  type Latency,
  type ReleaseCount,
} from './model.ts';

/** Enough to see what is going on; the counts stay exact beyond it. */
const FAILURES_KEPT = 200;

/** Only these have a latency worth comparing; the others take long on purpose. */
const TIMED: ReadonlySet<Kind> = new Set<Kind>(['get', 'fresh', 'echo', 'upload']);

export interface Tally {
  sent(kind: Kind): void;
  notSent(requests: number): void;
  /** @param ms from sending to the last byte; @param window marked when it was sent */
  ok(kind: Kind, answer: { release: string | undefined; ms: number; window: string | undefined; at: number }): void;
  failed(failure: Failure): void;
  event(): void;
  message(): void;
  endedByServer(): void;
  crossed(): void;
  lag(ms: number): void;
  read(running: boolean): Counters;
}

export function createTally(): Tally {
  let notSent = 0;
  let events = 0;
  let messages = 0;
  let endedByServer = 0;
  let crossed = 0;
  let worstLagMs = 0;
  let lastFailedAt: number | undefined;
  const causes = { status: 0, reset: 0, timeout: 0, content: 0 };
  const failures: Failure[] = [];
  const releases = new Map<string, ReleaseCount>();
  const overall = createTimes();
  const windows = new Map<string, Times>();
  const kinds: Record<Kind, KindCount> = {
    get: none(),
    fresh: none(),
    echo: none(),
    upload: none(),
    slow: none(),
    events: none(),
    socket: none(),
  };

  const seen = (release: string | undefined, at: number): ReleaseCount | undefined => {
    if (release === undefined) return undefined;
    let count = releases.get(release);
    if (count === undefined) {
      count = { ok: 0, failed: 0, firstAt: at, lastAt: at, firstFailedAt: undefined, lastFailedAt: undefined };
      releases.set(release, count);
    }
    count.lastAt = Math.max(count.lastAt, at);
    return count;
  };
  const sum = (what: keyof KindCount): number => KINDS.reduce((total, kind) => total + kinds[kind][what], 0);

  return {
    sent(kind) {
      kinds[kind].sent++;
    },
    notSent(requests) {
      notSent += requests;
    },
    ok(kind, { release, ms, window, at }) {
      kinds[kind].ok++;
      const count = seen(release, at);
      if (count !== undefined) count.ok++;
      if (!TIMED.has(kind)) return;
      overall.add(ms);
      if (window === undefined) return;
      const times = windows.get(window) ?? createTimes();
      windows.set(window, times);
      times.add(ms);
    },
    failed(failure) {
      kinds[failure.kind].failed++;
      causes[failure.cause]++;
      lastFailedAt = Math.max(lastFailedAt ?? 0, failure.at);
      if (failures.length < FAILURES_KEPT) failures.push(failure);
      const count = seen(failure.release, failure.at);
      if (count === undefined) return;
      count.failed++;
      count.firstFailedAt ??= failure.at;
      count.lastFailedAt = Math.max(count.lastFailedAt ?? 0, failure.at);
    },
    event() {
      events++;
    },
    message() {
      messages++;
    },
    endedByServer() {
      endedByServer++;
    },
    crossed() {
      crossed++;
    },
    lag(ms) {
      worstLagMs = Math.max(worstLagMs, ms);
    },
    read(running) {
      const [sent, ok, failed] = [sum('sent'), sum('ok'), sum('failed')];
      return {
        sent,
        ok,
        failed,
        inFlight: sent - ok - failed,
        statuses: causes.status,
        resets: causes.reset,
        timeouts: causes.timeout,
        contents: causes.content,
        notSent,
        byKind: structuredClone(kinds),
        byRelease: structuredClone(Object.fromEntries(releases)),
        failures: [...failures],
        lastFailedAt,
        events,
        messages,
        endedByServer,
        crossed,
        latency: overall.read(),
        windows: Object.fromEntries([...windows].map(([name, times]) => [name, times.read()])),
        worstLagMs: Math.round(worstLagMs),
        running,
      };
    },
  };
}

const none = (): KindCount => ({ sent: 0, ok: 0, failed: 0 });

interface Times {
  add(ms: number): void;
  read(): Latency;
}

function createTimes(): Times {
  const counts = new Uint32Array(HISTOGRAM_BUCKETS);
  let count = 0;
  let max = 0;
  return {
    add(ms) {
      const bucket = bucketOf(ms * 1000);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      count++;
      max = Math.max(max, ms);
    },
    read() {
      const histogram: SparseHistogram = [...counts.entries()].filter(([, n]) => n > 0);
      const at = (q: number): number | undefined => {
        const us = quantile(histogram, q);
        return us === undefined ? undefined : Math.min(us / 1000, max);
      };
      return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: count === 0 ? undefined : max };
    },
  };
}
