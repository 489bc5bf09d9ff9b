import { randomBytes } from 'node:crypto';
import { TowpathError } from '../kernel/index.ts';
import { systemClock } from '../system/index.ts';
import type { Router, RouterState, RouterTarget } from './contract.ts';
import { createCore, type Claim } from './embedded/core.ts';
import { parseTable } from './embedded/table.ts';
import { BUCKET_COOKIE, createTokens } from './embedded/tokens.ts';

/** How a fake target answers one request; a missing one answers 200 at once. */
export type FakeAnswer = (target: RouterTarget) => Promise<number> | number;

export interface FakeRouter {
  readonly router: Router;
  /** Routes one request as the real one would; status 503 when nobody can take it. */
  send(options?: {
    readonly cookie?: string;
    readonly answer?: FakeAnswer;
  }): Promise<{ readonly status: number; readonly release: number | undefined; readonly cookie?: string }>;
  /** Restarts it: counters begin again, the table stays, what was in flight is lost. */
  restart(): void;
  /** While set, calls fail with `router.unreachable`. */
  setUnreachable(unreachable: boolean): void;
}

/** A router in memory: the real routing core without a transport, for tests of whoever drives routers. */
export function createFakeRouter(options: { readonly random?: () => number } = {}): FakeRouter {
  const tokens = createTokens('the fake needs no secret, only a key that is long enough');
  const open = (): ReturnType<typeof createCore<undefined>> =>
    createCore<undefined>({
      tokens,
      openLink: () => undefined,
      closeLink: () => {},
      elapsed: systemClock.elapsed,
      random: options.random ?? Math.random,
      hold: { count: 10_000, ms: 10_000 },
    });
  let core = open();
  let boot = randomBytes(4).toString('hex');
  let startedAt = systemClock.now();
  let epoch = 0;
  let lost = 0;
  let unreachable = false;

  const state = (): RouterState => ({
    ...core.read(),
    boot,
    pid: process.pid,
    startedAt,
    epoch,
    lostAtRestart: lost,
  });
  const reach = (signal: AbortSignal): void => {
    signal.throwIfAborted();
    if (!unreachable) return;
    throw new TowpathError('router.unreachable', 'the fake router was made unreachable', {
      remedy: 'retry',
      hint: 'call setUnreachable(false)',
    });
  };
  const claimOne = async (cookie: string | undefined): Promise<Claim<undefined> | undefined> => {
    for (;;) {
      const claim = core.claim(cookie, undefined);
      if (typeof claim !== 'string') return claim;
      if (claim !== 'held') return undefined;
      const outcome = await new Promise<'go' | 'late' | 'full'>((resolve) => {
        if (core.hold.add(resolve) === undefined) resolve('full');
      });
      if (outcome !== 'go') return undefined;
    }
  };
  return {
    router: {
      name: 'fake',
      cannot: [],
      async apply(table, fence, signal) {
        reach(signal);
        const parsed = parseTable(table);
        if (fence.epoch < epoch) {
          throw new TowpathError('lease.fenced', `epoch ${fence.epoch} is older than ${epoch}`, {
            remedy: 'halt',
            hint: 'another controller has taken over; this one must stop changing things',
          });
        }
        epoch = fence.epoch;
        core.apply(parsed);
        return state();
      },
      async observe(signal) {
        reach(signal);
        return state();
      },
    },
    async send(request = {}) {
      const claim = await claimOne(request.cookie);
      if (claim === undefined) return { status: 503, release: undefined };
      const mine = core;
      const { newBucket } = claim;
      const cookie = newBucket === undefined ? {} : { cookie: `${BUCKET_COOKIE}=${tokens.bucketValue(newBucket)}` };
      const { release } = claim.lane;
      const status = request.answer === undefined ? 200 : await request.answer(claim.target);
      mine.settle(claim, status, false);
      return { status, release, ...cookie };
    },
    restart() {
      const { table } = core.read();
      lost += core.inFlight();
      core = open();
      core.apply(table);
      boot = randomBytes(4).toString('hex');
      startedAt = systemClock.now();
    },
    setUnreachable(now) {
      unreachable = now;
    },
  };
}
