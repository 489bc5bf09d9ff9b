import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Pinged {
  readonly sent: number;
  readonly failed: number;
  /** What failed, the first few. */
  readonly failures: readonly string[];
  readonly byRelease: Readonly<Record<string, number>>;
}

/**
 * A steady open-loop stream of small requests over kept connections, counted exactly: for proofs that
 * need to know that nothing was lost, not how fast it was.
 */
export function startPinging(url: string, rps: number) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  const byRelease: Record<string, number> = {};
  const failures: string[] = [];
  let sent = 0;
  let failed = 0;
  let stopped = false;
  const inFlight = new Set<Promise<void>>();
  const fail = (why: string): void => {
    failed++;
    if (failures.length < 20) failures.push(`${new Date().toISOString()} ${why}`);
  };
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const request = http.get(url, { agent, timeout: 15_000 }, (answer) => {
        answer.resume();
        answer.on('error', (error) => {
          fail(`body: ${error.message}`);
          resolve();
        });
        answer.on('end', () => {
          const release = String(answer.headers['x-growth-release'] ?? 'none');
          byRelease[release] = (byRelease[release] ?? 0) + 1;
          if ((answer.statusCode ?? 500) >= 400) fail(`status ${answer.statusCode} from release ${release}`);
          resolve();
        });
      });
      request.on('timeout', () => request.destroy(new Error('timeout')));
      request.on('error', (error) => {
        fail(error.message);
        resolve();
      });
    });
  const pump = (async () => {
    const start = performance.now();
    while (!stopped) {
      const due = Math.floor(((performance.now() - start) / 1000) * rps);
      // After a stall of this process the backlog is sent, but never more than a second's worth.
      for (let i = Math.max(sent, due - rps); i < due; i++) {
        sent++;
        const flying = one();
        inFlight.add(flying);
        void flying.finally(() => inFlight.delete(flying));
      }
      await delay(10);
    }
  })();
  const look = (): Pinged => ({ sent, failed, failures, byRelease: { ...byRelease } });
  return {
    look,
    async stop(): Promise<Pinged> {
      stopped = true;
      await pump;
      await Promise.all(inFlight);
      agent.destroy();
      return look();
    },
  };
}
