/**
 * The router against its peers: same backends, one core each, interleaved rounds, medians.
 * The proxy has core 0; the load and the backends share core 1.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureDebianPackages } from '../support/debian.ts';
import { openLoop, saturate } from './load.ts';
import { busyMs, cpuOf, memoryOf, waitedMs } from './machine.ts';
import { startBackend, startPeer, type Backend, type Peer, type Program } from './programs.ts';

export interface BenchOptions {
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly peers: readonly Peer[];
  readonly signal: AbortSignal;
  readonly log?: (line: string) => void;
  /** Which parts; all unless told otherwise. */
  readonly parts?: readonly ('trivial' | 'node' | 'latency')[];
}

/** Medians over the rounds of one proxy. */
export interface PeerFigures {
  readonly peer: Peer;
  /** Requests a second at saturation, on one core, in front of a backend that costs almost nothing. */
  readonly rps: number;
  /** CPU microseconds of the proxy for one such request. */
  readonly cpuUs: number;
  /** Requests a second in front of a Node http app that serialises a list of 20 rows a request. */
  readonly nodeRps: number;
  /** ms added to a request at 1,000 requests a second, against no proxy in the same round */
  readonly addedP50: number;
  readonly addedP99: number;
  /** MB after the saturation runs, children included */
  readonly memory: number;
  /** Failed requests over all rounds. */
  readonly errors: number;
}

export interface BenchResult {
  readonly peers: readonly PeerFigures[];
  /** Cores that programs other than ours kept busy in the measurements that were kept: the most of any measurement, and the median. */
  readonly foreign: { readonly most: number; readonly median: number };
  /** Requests a second without a proxy, which bounds what can be measured. */
  readonly direct: { readonly trivial: number; readonly node: number };
}

/** Cores that others may keep busy in a measurement that counts as quiet. */
const QUIET = 0.2;

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

interface Samples {
  readonly rps: number[];
  readonly cpuUs: number[];
  readonly nodeRps: number[];
  readonly addedP50: number[];
  readonly addedP99: number[];
  readonly memory: number[];
  errors: number;
}

const empty = (): Samples => ({ rps: [], cpuUs: [], nodeRps: [], addedP50: [], addedP99: [], memory: [], errors: 0 });

/** Runs the benchmark; installs the peers' Debian packages when they are missing and it may. */
export async function runRouterBench(options: BenchOptions): Promise<BenchResult> {
  const { signal, seconds, peers } = options;
  const log = options.log ?? (() => {});
  const parts = options.parts ?? ['trivial', 'node', 'latency'];
  await ensureDebianPackages(['haproxy', 'nginx-light', 'caddy', 'wrk']);
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-bench-'));
  const running: Program[] = [];
  const foreign: number[] = [];
  const direct = { trivial: [] as number[], node: [] as number[] };
  const samples = new Map<Peer, Samples>(peers.map((peer) => [peer, empty()]));

  /** Measures again, at most twice, when others used the machine meanwhile; keeps the quietest try. */
  const quietly = async <T>(load: () => Promise<T>): Promise<T> => {
    let best: { readonly value: T; readonly foreign: number } | undefined;
    for (let tries = 0; tries < 3 && (best === undefined || best.foreign > QUIET); tries++) {
      await calm(signal);
      const now = await watched(load);
      if (best === undefined || now.foreign < best.foreign) best = now;
    }
    if (best === undefined) throw new Error('nothing was measured');
    foreign.push(best.foreign);
    return best.value;
  };

  /** Runs `load` and notes how much of the machine was used by others meanwhile. */
  const watched = async <T>(load: () => Promise<T>): Promise<{ readonly value: T; readonly foreign: number }> => {
    // Everything we start descends from this process; what has ended is in its waited-for time.
    const own = (): number => cpuOf(process.pid) + waitedMs(process.pid);
    const from = { at: performance.now(), busy: busyMs(), own: own() };
    const value = await load();
    const ms = performance.now() - from.at;
    return { value, foreign: Math.max(0, (busyMs() - from.busy - (own() - from.own)) / ms) };
  };

  const saturation = async (kind: Backend, order: readonly Peer[]): Promise<void> => {
    const backends = [await startBackend(kind, dir, 200, signal), await startBackend(kind, dir, 200, signal)];
    running.push(...backends);
    const ports = backends.map((backend) => backend.port);
    await saturate(ports[0] ?? 0, 1, signal);
    const straight = await quietly(() => saturate(ports[0] ?? 0, Math.min(seconds, 3), signal));
    direct[kind === 'node' ? 'node' : 'trivial'].push(straight.rps);
    for (const peer of order) {
      const proxy = await startPeer(peer, ports, dir, signal);
      running.push(proxy);
      await saturate(proxy.port, 2, signal);
      const load = await quietly(async () => {
        const before = cpuOf(proxy.pid);
        const run = await saturate(proxy.port, seconds, signal);
        return { ...run, cpuUs: ((cpuOf(proxy.pid) - before) * 1000) / Math.max(1, run.requests) };
      });
      const { cpuUs } = load;
      const of = samples.get(peer);
      if (of !== undefined) {
        of.errors += load.errors;
        if (kind === 'node') of.nodeRps.push(load.rps);
        else {
          of.rps.push(load.rps);
          of.cpuUs.push(cpuUs);
          of.memory.push(memoryOf(proxy.pid));
        }
      }
      log(
        `${kind} backend, ${peer}: ${Math.round(load.rps)} requests/s, ${cpuUs.toFixed(1)} us CPU, ` +
          `${load.errors} errors, foreign ${(foreign.at(-1) ?? 0).toFixed(2)} cores`,
      );
      await proxy.stop();
      running.splice(running.indexOf(proxy), 1);
    }
    await endAll(running);
  };

  const latency = async (order: readonly Peer[]): Promise<void> => {
    const backends = [await startBackend('nginx', dir, 200, signal), await startBackend('nginx', dir, 200, signal)];
    running.push(...backends);
    const ports = backends.map((backend) => backend.port);
    for (const peer of order) {
      const proxy = await startPeer(peer, ports, dir, signal);
      running.push(proxy);
      await openLoop(proxy.port, 1000, 2, signal);
      const { load, straight } = await quietly(async () => ({
        straight: await openLoop(ports[0] ?? 0, 1000, seconds, signal),
        load: await openLoop(proxy.port, 1000, seconds, signal),
      }));
      const of = samples.get(peer);
      of?.addedP50.push(load.p50 - straight.p50);
      of?.addedP99.push(load.p99 - straight.p99);
      if (of !== undefined) of.errors += load.failed;
      log(
        `1,000 requests/s, ${peer}: p50 ${load.p50.toFixed(2)} ms (+${(load.p50 - straight.p50).toFixed(2)}), ` +
          `p99 ${load.p99.toFixed(2)} ms (+${(load.p99 - straight.p99).toFixed(2)}), ` +
          `foreign ${(foreign.at(-1) ?? 0).toFixed(2)} cores`,
      );
      await proxy.stop();
      running.splice(running.indexOf(proxy), 1);
    }
    await endAll(running);
  };

  try {
    for (let round = 0; round < options.rounds; round++) {
      // Forwards, then backwards: a machine that gets slower or faster favours nobody.
      const order = round % 2 === 0 ? peers : peers.toReversed();
      if (parts.includes('trivial')) await saturation('nginx', order);
      if (parts.includes('node')) await saturation('node', order);
      if (parts.includes('latency')) await latency(order);
      await delay(100, undefined, { signal });
    }
  } finally {
    await endAll(running);
    await rm(dir, { recursive: true, force: true });
  }
  return {
    foreign: { most: Math.max(0, ...foreign), median: median(foreign) },
    direct: { trivial: median(direct.trivial), node: median(direct.node) },
    peers: [...samples].map(([peer, of]) => ({
      peer,
      rps: median(of.rps),
      cpuUs: median(of.cpuUs),
      nodeRps: median(of.nodeRps),
      addedP50: median(of.addedP50),
      addedP99: median(of.addedP99),
      memory: median(of.memory),
      errors: of.errors,
    })),
  };
}

/** Waits until the machine is idle, for 15 s at most. */
async function calm(signal: AbortSignal): Promise<void> {
  for (let looks = 0; looks < 30; looks++) {
    const from = { at: performance.now(), busy: busyMs() };
    await delay(500, undefined, { signal });
    if ((busyMs() - from.busy) / (performance.now() - from.at) < QUIET) return;
  }
}

async function endAll(running: Program[]): Promise<void> {
  for (const program of running.splice(0)) await program.stop();
}
