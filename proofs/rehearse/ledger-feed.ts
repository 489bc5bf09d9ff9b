import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerEntry } from '@towpath/wire';
import { unixRequest } from '../../packages/towpath/src/system/index.ts';

const LOOK_MS = 200;

/** Everything in the ledger after a row. @throws when the control plane does not answer */
export async function readLedger(dir: string, after = 0): Promise<readonly LedgerEntry[]> {
  const rows: LedgerEntry[] = [];
  for (;;) {
    const answer = await unixRequest({
      socket: path.join(dir, '.towpath', 'control.sock'),
      method: 'GET',
      path: `/v1/evidence?after=${rows.at(-1)?.seq ?? after}&limit=1000`,
      timeoutMs: 10_000,
    });
    let text = '';
    for await (const chunk of answer.chunks) text += chunk;
    if (answer.status !== 200) throw new Error(`the ledger cannot be read: ${answer.status} ${text}`);
    const { entries }: { entries: LedgerEntry[] } = JSON.parse(text);
    rows.push(...entries);
    if (entries.length < 1000) return rows;
  }
}

export interface LedgerFeed {
  /** Hands over all that is there by now. */
  catchUp(): Promise<void>;
  stop(): Promise<void>;
}

/** Hands over each new row until it is stopped; a control plane that is away is waited for. */
export function followLedger(dir: string, onEntry: (entry: LedgerEntry) => void): LedgerFeed {
  const over = new AbortController();
  let after = 0;
  const look = async (): Promise<void> => {
    for (const entry of await readLedger(dir, after).catch(() => [])) {
      // Two looks may overlap.
      if (entry.seq <= after) continue;
      after = entry.seq;
      onEntry(entry);
    }
  };
  const running = (async () => {
    while (!over.signal.aborted) {
      await look();
      await delay(LOOK_MS, undefined, { signal: over.signal }).catch(() => {});
    }
    await look();
  })();
  return {
    catchUp: look,
    async stop() {
      over.abort();
      await running;
    },
  };
}
