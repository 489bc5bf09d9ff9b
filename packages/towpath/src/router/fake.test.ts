import { test } from 'vitest';
import { createFakeRouter, routerContract } from './testing.ts';

routerContract('fake', async () => {
  const fake = createFakeRouter();
  return {
    router: fake.router,
    target: async (release) => ({ id: `i${release}`, release, host: '127.0.0.1', port: 1000 + release }),
    send: async (options) => fake.send(options),
    async sendSlow() {
      const gate = Promise.withResolvers<number>();
      const answer = fake.send({ answer: () => gate.promise });
      return {
        async finish() {
          gate.resolve(200);
          await answer;
        },
      };
    },
    kill: async () => fake.restart(),
    dispose: async () => {},
  };
});

test('made unreachable, the fake says so as the real one does', async ({ expect, signal }) => {
  const fake = createFakeRouter();
  fake.setUnreachable(true);
  await expect(fake.router.observe(signal)).rejects.toMatchObject({ code: 'router.unreachable', remedy: 'retry' });
  fake.setUnreachable(false);
  expect((await fake.router.observe(signal)).totals).toEqual([]);
});

test('what is in flight at a restart is reported as lost', async ({ expect, signal }) => {
  const fake = createFakeRouter();
  const targets = [{ id: 'a', release: 1, host: '127.0.0.1', port: 1 }];
  const table = { targets, weights: [{ release: 1, weight: 100 }], sticky: false, hold: false };
  await fake.router.apply(table, { epoch: 1 }, signal);
  void fake.send({ answer: () => new Promise<number>(() => {}) });
  fake.restart();
  expect((await fake.router.observe(signal)).lostAtRestart).toBe(1);
});
