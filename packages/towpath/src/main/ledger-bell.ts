import { LEDGER_CHANNEL } from '../evidence/index.ts';
import { sleep, type Database } from '../system/index.ts';

/** Tells listeners of each new row of the ledger, whichever controller wrote it. */
export function createLedgerBell(database: Database, signal: AbortSignal): (listener: () => void) => () => void {
  const listeners = new Set<() => void>();
  const ring = (): void => {
    for (const listener of listeners) listener();
  };
  const listen = async (): Promise<void> => {
    while (!signal.aborted) {
      const { promise: lost, resolve } = Promise.withResolvers<void>();
      try {
        const session = await database.session({ name: 'towpath ledger bell' });
        session.onNotification(ring);
        session.onLost(() => resolve());
        const stop = (): void => resolve();
        signal.addEventListener('abort', stop, { once: true });
        await session.script(`listen ${LEDGER_CHANNEL}`);
        ring();
        await lost;
        signal.removeEventListener('abort', stop);
        await session.close();
      } catch {
        // The database is away; listeners look again when it is back.
      }
      await sleep(500, signal).catch(() => {});
    }
  };
  void listen();
  return (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
}
