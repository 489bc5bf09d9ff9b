import http from 'node:http';
import { Fault } from './exchange.ts';
import { send, type Client } from './kinds.ts';
import { dealer } from './mix.ts';
import { DEFAULT_MIX, type Counters, type Kind, type TrafficOptions } from './model.ts';
import { createTally } from './tally.ts';

const TICK_MS = 10;

export interface Generator {
  counters(): Counters;
  /** Latencies of what is sent from now on are also counted under this name; undefined ends that. */
  mark(window: string | undefined): void;
  /** Sends nothing more, lets what is in flight end, and closes streams and sockets properly. */
  stop(): Promise<Counters>;
}

/**
 * Open loop: what is due is sent when it is due, whether or not earlier answers have come, so a server
 * that stalls is not spared. All of it happens in this process; see index.ts for one of its own.
 */
export function createGenerator(options: TrafficOptions): Generator {
  const maxRequests = options.maxRequests ?? 1_000_000;
  const maxMs = options.maxMs ?? 30 * 60_000;
  const maxInFlight = options.maxInFlight ?? 2000;
  const tally = createTally();
  const deal = dealer(options.mix ?? DEFAULT_MIX);
  const stopping = new AbortController();
  const inFlight = new Set<Promise<void>>();
  const client: Client = {
    options: {
      url: options.url,
      headers: options.headers ?? {},
      timeoutMs: options.timeoutMs ?? 15_000,
      slowMs: options.slowMs ?? 5000,
      heldMs: options.heldMs ?? [2000, 10_000],
    },
    kept: new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64, scheduling: 'lifo' }),
    tally,
    stopping: stopping.signal,
  };
  const started = performance.now();
  let window: string | undefined;
  let due = 0;
  let number = 0;
  let last = started;

  const one = async (kind: Kind): Promise<void> => {
    const marked = window;
    const sentAt = Date.now();
    const begun = performance.now();
    tally.sent(kind);
    try {
      const { release } = await send(kind, client, number++);
      tally.ok(kind, { release, ms: performance.now() - begun, window: marked, at: Date.now() });
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault('content', `the generator failed: ${String(error)}`);
      const { why, status, release, reused } = fault;
      tally.failed({ kind, cause: why, at: Date.now(), sentAt, error: fault.message, status, release, reused });
    }
  };
  const tick = (): void => {
    const now = performance.now();
    tally.lag(now - last - TICK_MS);
    last = now;
    if (now - started > maxMs) return halt();
    const wanted = Math.floor(((now - started) / 1000) * options.rps);
    for (; due < wanted; due++) {
      if (due >= maxRequests) return halt();
      if (inFlight.size >= maxInFlight) {
        tally.notSent(1);
        continue;
      }
      const sending: Promise<void> = one(deal()).finally(() => inFlight.delete(sending));
      inFlight.add(sending);
    }
  };
  const timer = setInterval(tick, TICK_MS);
  let running = true;
  const halt = (): void => {
    running = false;
    clearInterval(timer);
  };

  return {
    counters: () => tally.read(running),
    mark(name) {
      window = name;
    },
    async stop() {
      halt();
      stopping.abort();
      // Each has its own deadline, so this ends.
      await Promise.all(inFlight);
      client.kept.destroy();
      return tally.read(false);
    },
  };
}
