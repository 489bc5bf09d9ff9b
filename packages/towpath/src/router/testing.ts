import { describe, test } from 'vitest';
import { TowpathError } from '../kernel/index.ts';
import { until } from '../system/index.ts';
import type { Router, RouterTarget, RouteTable } from './contract.ts';

export { createFakeRouter, type FakeRouter } from './fake.ts';

/** What a contract run needs of an implementation. */
export interface RouterSubject {
  readonly router: Router;
  /** Targets that answer requests, one per release; the suite routes to them. */
  target(release: number): Promise<RouterTarget>;
  /** Sends one request; resolves with the release that answered, or undefined when it failed. */
  send(options?: {
    readonly cookie?: string;
  }): Promise<{ readonly release: number | undefined; readonly cookie?: string }>;
  /** Starts one that the target answers only once `finish` is called; resolves when it has arrived there. */
  sendSlow(): Promise<{ finish(): Promise<void> }>;
  /** Kills the process that routes, if there is one; undefined for those that have none. */
  readonly kill?: () => Promise<void>;
  dispose(): Promise<void>;
}

const half = { sticky: false, hold: false };

/** Every router, fakes included, passes these. */
export function routerContract(name: string, open: () => Promise<RouterSubject>): void {
  describe(`router contract: ${name}`, () => {
    const two = async (subject: RouterSubject, first: number, second: number): Promise<RouteTable> => ({
      ...half,
      targets: [await subject.target(1), await subject.target(2)],
      weights: [
        { release: 1, weight: first },
        { release: 2, weight: second },
      ],
      candidate: 2,
    });
    const share = async (subject: RouterSubject, requests: number): Promise<number> => {
      let second = 0;
      let left = requests;
      const lane = async (): Promise<void> => {
        while (left-- > 0) if ((await subject.send()).release === 2) second++;
      };
      await Promise.all(Array.from({ length: 16 }, lane));
      return (100 * second) / requests;
    };

    test('a weight is kept within 2 points over 5,000 requests', async ({ expect, onTestFinished, signal }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      await subject.router.apply(await two(subject, 75, 25), { epoch: 1 }, signal);
      expect(Math.abs((await share(subject, 5000)) - 25)).toBeLessThan(2);
    });

    test('0 % gets nothing, 100 % gets everything, from the moment apply resolves', async ({
      expect,
      onTestFinished,
      signal,
    }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      for (const [first, second] of [
        [100, 0],
        [0, 100],
        [100, 0],
      ] as const) {
        await subject.router.apply(await two(subject, first, second), { epoch: 1 }, signal);
        expect(await share(subject, 300)).toBe(second);
      }
    });

    test('a browser keeps its release while the weight rises, and the cookie goes with the split', async ({
      expect,
      onTestFinished,
      signal,
    }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      const browsers = new Map<string, boolean>();
      const at = async (weight: number): Promise<void> => {
        const table = await two(subject, 100 - weight, weight);
        await subject.router.apply({ ...table, sticky: true }, { epoch: 1 }, signal);
      };
      await at(20);
      while (browsers.size < 60) {
        const answer = await subject.send();
        if (answer.cookie !== undefined) browsers.set(answer.cookie, answer.release === 2);
      }
      for (const weight of [20, 60, 100]) {
        await at(weight);
        for (const [cookie, was] of browsers) {
          const now = (await subject.send({ cookie })).release === 2;
          if (was) expect(now).toBe(true);
          browsers.set(cookie, now);
        }
      }
      expect([...browsers.values()]).not.toContain(false);
      expect((await subject.send()).cookie).toBeUndefined();
    });

    test('an older epoch is fenced and changes nothing', async ({ expect, onTestFinished, signal }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      await subject.router.apply(await two(subject, 100, 0), { epoch: 7 }, signal);
      const late = subject.router.apply(await two(subject, 0, 100), { epoch: 6 }, signal);
      await expect(late).rejects.toMatchObject({ code: 'lease.fenced' });
      expect((await subject.router.observe(signal)).epoch).toBe(7);
      expect((await subject.send()).release).toBe(1);
    });

    test('a table that does not add up is refused', async ({ expect, onTestFinished, signal }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      const wrong = { ...(await two(subject, 90, 20)) };
      await expect(subject.router.apply(wrong, { epoch: 1 }, signal)).rejects.toBeInstanceOf(TowpathError);
      await expect(subject.router.apply(wrong, { epoch: 1 }, signal)).rejects.toMatchObject({
        code: 'router.bad_table',
      });
    });

    test('what is held waits, and goes by the table that releases it', async ({ expect, onTestFinished, signal }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      await subject.router.apply({ ...(await two(subject, 100, 0)), hold: true }, { epoch: 1 }, signal);
      const waiting = [subject.send(), subject.send(), subject.send()];
      await until('three are held', async () => (await subject.router.observe(signal)).held === 3, {
        every: 10,
        within: 5000,
        signal,
      });
      await subject.router.apply(await two(subject, 0, 100), { epoch: 1 }, signal);
      expect((await Promise.all(waiting)).map((answer) => answer.release)).toEqual([2, 2, 2]);
      expect((await subject.router.observe(signal)).held).toBe(0);
    });

    test('requests and failures are counted per release, with their latency', async ({
      expect,
      onTestFinished,
      signal,
    }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      await subject.router.apply(await two(subject, 0, 100), { epoch: 1 }, signal);
      for (let i = 0; i < 20; i++) await subject.send();
      const totals = (await subject.router.observe(signal)).totals.find((entry) => entry.release === 2);
      expect(totals).toMatchObject({ requests: 20, failures: 0, byStatus: { '2xx': 20, '5xx': 0 } });
      expect(totals?.latency.reduce((sum, [, count]) => sum + count, 0)).toBe(20);
    });

    test('a drain is seen: the old release counts down to 0 and takes nothing new', async ({
      expect,
      onTestFinished,
      signal,
    }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      const flying = async (): Promise<number | undefined> =>
        (await subject.router.observe(signal)).inFlight.find((entry) => entry.release === 1)?.requests;
      await subject.router.apply(await two(subject, 100, 0), { epoch: 1 }, signal);
      const slow = await subject.sendSlow();
      await subject.router.apply(await two(subject, 0, 100), { epoch: 1 }, signal);
      expect((await subject.send()).release).toBe(2);
      expect(await flying()).toBe(1);
      await slow.finish();
      await until('the old release is drained', async () => (await flying()) === 0, {
        every: 10,
        within: 5000,
        signal,
      });
    });

    test('after a kill it serves the same table', async ({ expect, onTestFinished, signal }) => {
      const subject = await open();
      onTestFinished(() => subject.dispose());
      await subject.router.apply(await two(subject, 0, 100), { epoch: 4 }, signal);
      const before = await subject.router.observe(signal);
      await subject.kill?.();
      const after = await until('the router is back', (inner) => subject.router.observe(inner).catch(() => undefined), {
        every: 20,
        within: 10_000,
        signal,
      });
      expect(after.table).toEqual(before.table);
      expect(after.epoch).toBe(4);
      expect((await subject.send()).release).toBe(2);
      expect(after.boot === before.boot).toBe(subject.kill === undefined);
    });
  });
}
