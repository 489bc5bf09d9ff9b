import type { Towpath } from './towpath.ts';

export interface WorkLoop<T> {
  /** Takes one job, or undefined when there is none. Called only while active, one call at a time. */
  readonly claim: () => Promise<T | undefined>;
  /** Does the job. An error is reported and the loop goes on: recording it is the job's own affair. */
  readonly work: (job: T) => Promise<void>;
  /** Pause after a claim that found nothing, milliseconds; 1,000 unless told. */
  readonly idleMs?: number;
  /** Jobs at the same time; 1 unless told. */
  readonly concurrency?: number;
  /** Told of errors of claim and work; by default they go to stderr. */
  readonly onError?: (error: unknown, doing: 'claim' | 'work') => void;
}

const LONGEST_PAUSE_MS = 10_000;

/** @internal */
export async function runWorkLoop<T>(tow: Towpath, loop: WorkLoop<T>, say: (line: string) => void): Promise<void> {
  const idleMs = loop.idleMs ?? 1000;
  const most = loop.concurrency ?? 1;
  const onError =
    loop.onError ??
    ((error: unknown, doing: string) =>
      say(`towpath sdk: ${doing} failed: ${error instanceof Error ? error.message : String(error)}`));
  const running = new Set<Promise<void>>();
  let failures = 0;

  const start = (claimed: { readonly job: T; done(): void }): void => {
    const run = (async () => {
      try {
        await loop.work(claimed.job);
      } catch (error) {
        onError(error, 'work');
      } finally {
        claimed.done();
      }
    })();
    running.add(run);
    void run.then(() => running.delete(run));
  };

  while (!tow.stopping.aborted) {
    if (tow.role() !== 'active') {
      // Rejects only when the process is to stop, and then the loop ends.
      await tow.whenActive().catch(() => {});
      continue;
    }
    if (running.size >= most) {
      await Promise.race(running);
      continue;
    }
    try {
      const claimed = await tow.claim(loop.claim);
      failures = 0;
      if (claimed === undefined) await pause(idleMs, tow.draining);
      else start(claimed);
    } catch (error) {
      onError(error, 'claim');
      failures++;
      await pause(Math.min(idleMs * 2 ** Math.min(failures, 10), LONGEST_PAUSE_MS), tow.draining);
    }
  }
  await Promise.all(running);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
