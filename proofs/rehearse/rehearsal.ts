import { setTimeout as delay } from 'node:timers/promises';
import { badRelease, firstRelease, goodRelease, neverReady, rollbackByHand, type Act } from './acts.ts';
import { meddling, type Break } from './breaks.ts';
import { observe } from './observe.ts';
import type { Observed } from './promises.ts';
import type { Stage } from './stage.ts';

export interface Rehearsed {
  readonly acts: readonly Act[];
  readonly seen: Observed;
}

const NOW_MS = 500;
/** Without a terminal, the state of things is a line of its own this often. */
const SETTLED_EVERY = 10;

/** The whole story, on a stage: v1, v2 over it, two bad ones, and the way back; then a look at everything. */
export async function rehearse(stage: Stage, planted?: Break): Promise<Rehearsed> {
  const { screen } = stage;
  const acts: Act[] = [];
  screen.act('v1 is released for the first time');
  acts.push(await firstRelease(stage));
  await stage.load();
  await stage.startActions();
  const watching = watch(stage);
  try {
    screen.say('● clients: keep-alive and fresh connections, POSTs, uploads, slow answers, event streams, WebSockets');
    screen.say('● an operator who approves 4 actions a second; recommenders that run by cron, one each second');
    await delay(2000, undefined, { signal: stage.signal });
    screen.act('v2 goes live');
    acts.push(await goodRelease(stage, 'v2', meddling(stage, planted, 'good release')));
    screen.act('v3-bad passes its health checks, then fails 5 % of its requests under load');
    acts.push(await badRelease(stage));
    screen.act('v4-bad never becomes ready');
    acts.push(await neverReady(stage, meddling(stage, planted, 'never ready')));
    screen.act('a person takes v2 back');
    acts.push(await rollbackByHand(stage, 1, meddling(stage, planted, 'rollback by hand')));
    if (planted?.when === 'end') {
      screen.say(`! planted: ${planted.does}`);
      await planted.plant(stage, { release: 1 });
    }
    await delay(1000, undefined, { signal: stage.signal });
    screen.act('what was shown');
    screen.say('● the clients stop; what is in flight comes to its end');
    await Promise.all([stage.actions?.stop(), ...stage.traffics.map((traffic) => traffic.stop())]);
  } finally {
    await watching.stop();
  }
  screen.say('● looking at the clients, Shopify, both databases, the processes and the ledger');
  return { acts, seen: await observe(stage, acts, 1) };
}

/** Keeps the line with the state of things up to date. */
function watch(stage: Stage): { stop(): Promise<void> } {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stage.signal]);
  let before = { sent: 0, at: performance.now() };
  const running = (async () => {
    for (let looks = 1; !signal.aborted; looks++) {
      await delay(NOW_MS, undefined, { signal }).catch(() => {});
      const [traffic] = stage.traffics;
      const actions = stage.actions?.counts();
      const counters = await traffic?.counters().catch(() => undefined);
      if (counters === undefined || actions === undefined || signal.aborted) continue;
      const settled = looks % SETTLED_EVERY === 0;
      const sent = counters.sent + actions.sent;
      const rate = ((sent - before.sent) / (performance.now() - before.at)) * 1000;
      before = { sent, at: performance.now() };
      const failed = counters.failed + actions.failures.length;
      stage.screen.now(
        `requests ${sent.toLocaleString('en')} sent · ${failed} failed · ${Math.round(rate)}/s · ` +
          `p99 ${Math.round(counters.latency.p99 ?? 0)} ms    actions approved ${actions.approved.length}`,
        settled,
      );
    }
  })();
  return {
    async stop() {
      over.abort();
      await running;
      stage.screen.close();
    },
  };
}
