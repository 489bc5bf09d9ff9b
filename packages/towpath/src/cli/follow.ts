import type { LedgerEntry } from '@towpath/wire';
import { sleep } from '../system/index.ts';
import { type Client, isLost, unreachable, withQuery } from './client.ts';

export interface FollowOptions {
  readonly rollout: number;
  readonly signal: AbortSignal;
  /** Milliseconds to go on trying when the control plane is gone. */
  readonly patienceMs: number;
  /** Milliseconds since some fixed point. */
  readonly elapsed: () => number;
  readonly onEntry: (entry: LedgerEntry) => void;
  /** A line of the build, before there are steps. */
  readonly onProgress: (line: string) => void;
  /** The stream broke; `since` is how long ago, in milliseconds. */
  readonly onLost: (since: number) => void;
  readonly onBack: () => void;
}

// The control plane writes at least a comment every 15 s.
const SILENCE_MS = 60_000;

const line = (data: string): string => {
  try {
    const parsed: unknown = JSON.parse(data);
    if (typeof parsed === 'string') return parsed;
    if (typeof parsed === 'object' && parsed !== null) {
      const text: unknown =
        Reflect.get(parsed, 'line') ?? Reflect.get(parsed, 'message') ?? Reflect.get(parsed, 'text');
      if (typeof text === 'string') return text;
    }
  } catch {
    // Plain text.
  }
  return data;
};

/**
 * Hands over the ledger entries of a rollout until it has ended. The control plane may be killed
 * and come back meanwhile: goes on from the last entry seen.
 * @throws TowpathError `control.unreachable` when it stays away
 */
export async function followRollout(client: Client, options: FollowOptions): Promise<void> {
  let after = 0;
  let lostAt: number | undefined;
  for (;;) {
    let cause: unknown;
    try {
      const path = withQuery(`/v1/rollouts/${options.rollout}/events`, { after });
      for await (const event of client.stream(path, options.signal, SILENCE_MS)) {
        if (lostAt !== undefined) {
          lostAt = undefined;
          options.onBack();
        }
        if (event.event === 'end') return;
        if (event.event === 'progress') {
          options.onProgress(line(event.data));
          continue;
        }
        const entry: LedgerEntry = JSON.parse(event.data);
        // After a reconnect the server may send what we have.
        if (entry.seq <= after) continue;
        after = entry.seq;
        options.onEntry(entry);
      }
    } catch (error) {
      if (options.signal.aborted) throw options.signal.reason;
      if (!isLost(error)) throw error;
      cause = error;
    }
    lostAt ??= options.elapsed();
    const since = options.elapsed() - lostAt;
    if (since > options.patienceMs) throw unreachable(client.socket, cause);
    options.onLost(since);
    await sleep(500, options.signal);
  }
}
