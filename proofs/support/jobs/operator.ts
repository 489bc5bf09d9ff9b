import { setTimeout as delay } from 'node:timers/promises';

const REQUEST_MS = 10_000;
const PATIENCE_MS = 120_000;
const AGAIN_MS = 200;
const MOST_AT_ONCE = 16;

export interface Operator {
  /** Keys of the actions whose approval was answered. */
  readonly approved: ReadonlySet<string>;
  /**
   * Begins no more, once there are as many as were asked for. Resolves when all are approved.
   * @throws when the app did not take one within two minutes
   */
  finish(): Promise<void>;
}

/**
 * Proposes actions and approves them, as people do through the app's own API: when a request fails it is
 * sent again with the same key. Each changes a place in the shop of its own.
 */
export function operate(
  url: string,
  load: { readonly atLeast: number; readonly perSecond: number },
  signal: AbortSignal,
): Operator {
  const approved = new Set<string>();
  let enough = false;
  const ask = async (route: string, init: { readonly body?: string; readonly key?: string }): Promise<unknown> => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      signal.throwIfAborted();
      try {
        const answer = await fetch(`${url}${route}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(init.key === undefined ? {} : { 'idempotency-key': init.key }),
          },
          ...(init.body === undefined ? {} : { body: init.body }),
          signal: AbortSignal.timeout(REQUEST_MS),
        });
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text);
        if (answer.status < 500) throw new Refused(`${route} answers ${answer.status}: ${text}`);
      } catch (error) {
        if (error instanceof Refused || performance.now() > deadline) throw error;
      }
      await delay(AGAIN_MS);
    }
  };

  const one = async (n: number): Promise<void> => {
    const key = `job-${n}`;
    const made = await ask('/api/actions', {
      key,
      body: JSON.stringify({
        type: 'metafield',
        title: `Action ${n}`,
        subject: key,
        payload: { id: `gid://shopify/Product/${(n % 12) + 1}`, key, value: `value ${n}` },
      }),
    });
    const id = typeof made === 'object' && made !== null && 'id' in made ? Number(made.id) : Number.NaN;
    await ask(`/api/actions/${id}/approve`, {});
    approved.add(key);
  };

  const all = async (): Promise<void> => {
    const inHand = new Set<Promise<void>>();
    const started = performance.now();
    for (let n = 0; n < load.atLeast || !enough; n++) {
      await delay(Math.max(0, started + (n * 1000) / load.perSecond - performance.now()), undefined, { signal });
      while (inHand.size >= MOST_AT_ONCE) await Promise.race(inHand);
      const work: Promise<void> = one(n).finally(() => inHand.delete(work));
      inHand.add(work);
    }
    await Promise.all(inHand);
  };
  const done = all();
  // Whoever waits for it is told; until then it must not end the process.
  done.catch(() => {});
  return {
    approved,
    finish() {
      enough = true;
      return done;
    },
  };
}

class Refused extends Error {}
