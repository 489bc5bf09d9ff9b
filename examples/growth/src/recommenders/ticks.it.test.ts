import { test } from 'vitest';
import { startTestApp } from '../testing/app.ts';

test('a tick that is run at the same time and again takes effect once', async ({ expect, onTestFinished }) => {
  const app = await startTestApp();
  onTestFinished(() => app.close());
  const tick = (id: string, attempt: number) =>
    app.start(['src/cron.ts', 'seo-ctr'], {
      TOWPATH_TICK: '2026-01-02T03:04:00.000Z',
      TOWPATH_TICK_ID: id,
      TOWPATH_TICK_ATTEMPT: String(attempt),
    });
  const together = [tick('seo-ctr/1', 1), tick('seo-ctr/1', 2)];
  for (const run of together) expect(await run.ended, run.output()).toBe(0);
  const outcomes = new Set(together.map((run) => /"outcome":"([a-z-]+)"/.exec(run.output())?.[1]));
  expect(outcomes).toEqual(new Set(['already-done', 'proposed']));

  const runs = await app.pool.query(`select tick, outcome, proposals from recommender_runs`);
  expect(runs.rows).toEqual([{ tick: 'seo-ctr/1', outcome: 'proposed', proposals: 3 }]);
  const next = tick('seo-ctr/2', 1);
  expect(await next.ended).toBe(0);
  const waiting = await app.pool.query(`select count(*)::int as n from actions where status = 'pending'`);
  expect(waiting.rows, 'an open proposal is not made again').toEqual([{ n: 3 }]);
});

test('a tick that fails leaves no effect and exits 1, so that it is run again', async ({ expect, onTestFinished }) => {
  const app = await startTestApp({ token: 'another' });
  onTestFinished(() => app.close());
  const run = app.start(['src/cron.ts', 'seo-ctr'], { TOWPATH_TICK: '2026-01-02T03:04:00Z', TOWPATH_TICK_ID: 't1' });
  expect(await run.ended).toBe(1);
  expect((await app.pool.query('select 1 from recommender_runs')).rows).toEqual([]);
  const failures = await app.pool.query('select recommender, tick, error from recommender_failures');
  expect(failures.rows).toEqual([
    { recommender: 'seo-ctr', tick: 't1', error: 'Shopify answers 401; check SHOPIFY_TOKEN' },
  ]);
});

test('a recommender that is switched off keeps its ticks and proposes nothing', async ({ expect, onTestFinished }) => {
  const app = await startTestApp();
  onTestFinished(() => app.close());
  await app.pool.query(`insert into recommender_flags (recommender, enabled) values ('metaobject', false)`);
  const run = app.start(['src/cron.ts', 'metaobject']);
  expect(await run.ended).toBe(0);
  expect((await app.pool.query('select outcome, proposals from recommender_runs')).rows).toEqual([
    { outcome: 'switched-off', proposals: 0 },
  ]);
});
