import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { LedgerEntry } from '../evidence/index.ts';
import type { ApiNeeds, Served } from './needs.ts';

const PAGE = 200;
const KEEPALIVE_MS = 15_000;

/** The ledger of one rollout as it grows, by seq; ends with the event `end` once the rollout has ended. */
export function rolloutEvents(
  needs: ApiNeeds,
  served: Served,
  rollout: number,
  after: number,
  context: Context,
): Response {
  return streamSSE(context, async (stream) => {
    let seq = after;
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const next = async (): Promise<readonly LedgerEntry[]> =>
      await needs.ledger.read({ rollout, after: seq, limit: PAGE });
    while (!gone.signal.aborted) {
      const woken = wakeup(needs, gone.signal);
      // Asked before the rows are read: what is written in between is then still delivered before the end.
      const run = await served.environment.runs.run(rollout);
      const ended = run === undefined || run.endedAt !== null;
      const entries = await next();
      for (const entry of entries) {
        await stream.writeSSE({ id: String(entry.seq), data: JSON.stringify(entry) });
        seq = entry.seq;
      }
      if (entries.length === PAGE) continue;
      const closed =
        entries.some((entry) => entry.kind === 'rollout.finished') || (await isClosed(needs, rollout, seq));
      if (ended && closed) {
        await stream.writeSSE({ event: 'end', data: '{}' });
        return;
      }
      if ((await woken(KEEPALIVE_MS)) === 'quiet') await stream.write(': still here\n\n');
    }
  });
}

async function isClosed(needs: ApiNeeds, rollout: number, seq: number): Promise<boolean> {
  const [last] = await needs.ledger.read({ rollout, after: seq - 1, limit: 1 });
  return last?.kind === 'rollout.finished';
}

/** Begins to listen now; the answer waits for a row written since. */
function wakeup(needs: ApiNeeds, signal: AbortSignal): (ms: number) => Promise<'woken' | 'quiet'> {
  const { promise, resolve } = Promise.withResolvers<'woken' | 'quiet'>();
  const off = needs.onLedger(() => resolve('woken'));
  const onAbort = (): void => resolve('quiet');
  signal.addEventListener('abort', onAbort, { once: true });
  return async (ms) => {
    const timer = setTimeout(() => resolve('quiet'), ms);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      off();
    }
  };
}
