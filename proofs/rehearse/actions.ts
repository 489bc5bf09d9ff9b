import { setTimeout as delay } from 'node:timers/promises';

const EACH_MS = 30_000;
const TRIES = 8;

export interface ActionStream {
  /** One request of this client to another address than the router's. */
  visit(url: string): Promise<void>;
  counts(): ActionCounts;
  /** Ends the stream; what was begun is brought to its end. */
  stop(): Promise<void>;
}

export interface ActionCounts {
  readonly sent: number;
  readonly failures: readonly {
    readonly release: string | undefined;
    readonly status: number | undefined;
    readonly error: string;
  }[];
  /** Responses by the release that made them. */
  readonly byRelease: Readonly<Record<string, number>>;
  /** Idempotency keys of the actions whose approval was answered well. */
  readonly approved: readonly string[];
}

/**
 * An operator that proposes and approves actions, through the router. What fails is counted, then sent
 * again under the same key.
 * @param perSecond approved actions
 */
export function startActions(url: string, perSecond: number): ActionStream {
  const failures: { release: string | undefined; status: number | undefined; error: string }[] = [];
  const byRelease: Record<string, number> = {};
  const approved: string[] = [];
  const open = new Set<Promise<void>>();
  const over = new AbortController();
  let sent = 0;
  let next = 0;

  const ask = async (to: string, init: RequestInit): Promise<unknown> => {
    sent++;
    let release: string | undefined;
    let status: number | undefined;
    try {
      const response = await fetch(to, { ...init, signal: AbortSignal.timeout(EACH_MS) });
      release = response.headers.get('x-growth-release') ?? undefined;
      status = response.status;
      if (release !== undefined) byRelease[release] = (byRelease[release] ?? 0) + 1;
      const body: unknown = await response.json();
      if (response.ok) return body;
      failures.push({ release, status, error: `${status}: ${JSON.stringify(body).slice(0, 100)}` });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      failures.push({ release, status, error: cause });
    }
    return undefined;
  };
  const insist = async (to: string, init: RequestInit): Promise<unknown> => {
    for (let tries = 1; tries <= TRIES; tries++) {
      const answer = await ask(to, init);
      if (answer !== undefined) return answer;
      await delay(100 * tries);
    }
    return undefined;
  };
  const one = async (n: number): Promise<void> => {
    const key = `rehearsal-${n}`;
    const made = await insist(`${url}/api/actions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({
        type: 'metafield',
        title: `Rehearsed change ${n}`,
        payload: { id: `gid://shopify/Product/${1 + (n % 12)}`, key: `rehearsal_${n}`, value: String(n) },
      }),
    });
    const id: unknown = typeof made === 'object' && made !== null ? Reflect.get(made, 'id') : undefined;
    if (typeof id !== 'number') return;
    if ((await insist(`${url}/api/actions/${id}/approve`, { method: 'POST' })) !== undefined) approved.push(key);
  };

  const running = (async () => {
    while (!over.signal.aborted) {
      const going = one(++next);
      open.add(going);
      void going.finally(() => open.delete(going));
      await delay(1000 / perSecond, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  return {
    async visit(to) {
      await ask(to, {});
    },
    counts: () => ({ sent, failures: [...failures], byRelease: { ...byRelease }, approved: [...approved] }),
    async stop() {
      over.abort();
      await running;
      await Promise.all(open);
    },
  };
}
