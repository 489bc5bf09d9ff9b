import { quantile, type Json } from '../kernel/index.ts';
import type { TrafficSample, Weight } from '../evidence/index.ts';
import type { RouterState } from '../router/index.ts';
import { countsOf, NOTHING, readMeter, subtractCounts, type Counts, type Meter } from './meter.ts';
import type { ReleaseNeeds } from './needs.ts';
import type { ReleaseStore } from './store.ts';

/** One look at the traffic of a run. */
export interface Reading {
  readonly meter: Meter | undefined;
  readonly state: RouterState | undefined;
  /** Why nothing could be read, when state is undefined. */
  readonly because?: string;
}

/** Reads the router's counters into the durable meter of a run, and puts samples into the ledger. */
export function createMeasure(needs: ReleaseNeeds, store: ReleaseStore) {
  let last: { run: number; at: number; meter: Meter } | undefined;

  async function look(run: number, signal: AbortSignal): Promise<Reading> {
    const stored = asMeter(await store.meter(run));
    try {
      const state = await needs.router.observe(signal);
      const meter = readMeter(stored, state);
      await store.setMeter(run, asJson(meter));
      return { meter, state };
    } catch (error) {
      if (signal.aborted) throw error;
      return { meter: stored, state: undefined, because: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Writes what was counted since the last sample of this run, at most once every `everyMs`. */
  async function sample(run: number, reading: Reading, everyMs: number): Promise<void> {
    const { meter, state } = reading;
    if (meter === undefined || state === undefined) return;
    const now = needs.clock.elapsed();
    if (last?.run === run && now - last.at < everyMs) return;
    const before = last?.run === run ? last.meter : undefined;
    const windowMs = last?.run === run ? now - last.at : 0;
    last = { run, at: now, meter };
    const releases = Object.keys(meter.sum).map((key): TrafficSample => {
      const release = Number(key);
      return toSample(
        release,
        subtractCounts(countsOf(meter, release), before === undefined ? NOTHING : countsOf(before, release)),
      );
    });
    const weights: Weight[] = state.table.weights.map(({ release, weight }) => ({ release, weight }));
    await needs.record(
      { kind: 'traffic.sampled', body: { windowMs: Math.round(windowMs), weights, releases } },
      { scope: needs.scope, rollout: run, actor: 'engine' },
    );
  }

  /** All that was counted over the run. */
  async function totals(run: number, signal: AbortSignal): Promise<TrafficSample[]> {
    const { meter } = await look(run, signal);
    return Object.keys(meter?.sum ?? {}).map((key) => toSample(Number(key), countsOf(meter, Number(key))));
  }

  return { look, sample, totals };
}
export type Measure = ReturnType<typeof createMeasure>;

const toSample = (release: number, counts: Counts): TrafficSample => {
  const at = (q: number): number | null => {
    const value = quantile(counts.latency, q);
    return value === undefined ? null : Math.round(value);
  };
  return { release, requests: counts.requests, failures: counts.failures, p50Us: at(0.5), p99Us: at(0.99) };
};

// oxlint-disable-next-line no-unsafe-type-assertion -- the column is written from a Meter, below
const asMeter = (value: Json): Meter | undefined => (value === null ? undefined : (value as unknown as Meter));
// oxlint-disable-next-line no-unsafe-type-assertion -- a Meter is made of numbers, strings and arrays of them
const asJson = (meter: Meter): Json => meter as unknown as Json;
