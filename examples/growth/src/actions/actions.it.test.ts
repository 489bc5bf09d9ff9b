import { describe, test } from 'vitest';
import { shopId } from '../db.ts';
import { createShopify } from '../shopify.ts';
import { startTestApp, waitFor, type TestApp } from '../testing/app.ts';
import { claim, finish } from './claims.ts';
import { decide, find } from './decisions.ts';
import { execute, rollback, type Executor } from './execute.ts';
import { propose } from './proposals.ts';

const PRODUCT = 'gid://shopify/Product/1';

async function approved(app: TestApp, n: number): Promise<number> {
  const shop = await shopId(app.pool, 'demo.myshopify.com');
  const id = await propose(app.pool, shop, {
    type: 'metafield',
    subject: `subject ${n}`,
    title: `title ${n}`,
    payload: { id: PRODUCT, key: `k${n}`, value: `value ${n}` },
    diff: {},
    confidence: 0.5,
    estimatedImpact: 0,
    source: 'test',
  });
  if (id === undefined) throw new Error('not proposed');
  await decide(app.pool, id, 'approved', 'test');
  return id;
}
const executor = (app: TestApp): Executor => ({
  db: app.pool,
  shopify: createShopify({ url: app.shopify.url, token: 'simulator-token' }),
  by: 'test',
  claimMs: 5000,
  retryMs: 1,
});
async function once(app: TestApp): Promise<boolean> {
  const held = await claim(app.pool, 'test', 5000);
  if (held === undefined) return false;
  await execute(executor(app), held);
  return true;
}

describe('an action', () => {
  test('whose answer was lost is tried again and takes effect once', async ({ expect, onTestFinished }) => {
    const app = await startTestApp({ behaviour: { loseAnswer: 1 } });
    onTestFinished(() => app.close());
    const id = await approved(app, 1);
    expect(await once(app)).toBe(true);
    expect(await find(app.pool, { id })).toMatchObject({ status: 'approved', attempts: 1 });
    app.shopify.behave({ loseAnswer: 0 });
    await waitFor('second attempt', async () => ((await once(app)) ? true : undefined));
    expect(await find(app.pool, { id })).toMatchObject({ status: 'executed', attempts: 1 });
    expect(app.shopify.effects()).toMatchObject({ effects: 1, attempts: 2, duplicates: [] });
  });

  test('fails after three attempts, and waits for room without losing one', async ({ expect, onTestFinished }) => {
    const app = await startTestApp({ behaviour: { failing: 1 } });
    onTestFinished(() => app.close());
    const id = await approved(app, 1);
    await waitFor('three attempts', async () => {
      await once(app);
      return (await find(app.pool, { id }))?.status === 'failed' ? true : undefined;
    });
    expect(await find(app.pool, { id })).toMatchObject({ attempts: 3, error: 'Shopify answers 500' });

    app.shopify.behave({ failing: 0, rateLimited: 1, retryAfterSeconds: 0.2 });
    const second = await approved(app, 2);
    setTimeout(() => app.shopify.behave({ rateLimited: 0 }), 300);
    await once(app);
    expect(await find(app.pool, { id: second })).toMatchObject({ status: 'executed', attempts: 0 });
  });

  test('can be finished only by the holder of its claim', async ({ expect, onTestFinished }) => {
    const app = await startTestApp();
    onTestFinished(() => app.close());
    const id = await approved(app, 1);
    const first = await claim(app.pool, 'one', 1);
    const second = await waitFor('expired claim', () => claim(app.pool, 'two', 5000));
    expect([first?.id, second.id]).toEqual([id, id]);
    if (first === undefined) return;
    await execute(executor(app), first);
    expect(await find(app.pool, { id })).toMatchObject({ status: 'executing', claimed_by: 'two' });
    expect(await finish(app.pool, first, { status: 'failed', by: 'one' })).toBe(false);
    expect(await finish(app.pool, second, { status: 'executed', by: 'two' })).toBe(true);
  });

  test('goes back to what was there before', async ({ expect, onTestFinished }) => {
    const app = await startTestApp();
    onTestFinished(() => app.close());
    const read = () =>
      createShopify({ url: app.shopify.url, token: 'simulator-token' }).graphql(
        'query ($id: ID!) { product(id: $id) { seo { title description } } }',
        { id: PRODUCT },
        { signal: AbortSignal.timeout(2000) },
      );
    const before = await read();
    const id = await propose(app.pool, await shopId(app.pool, 'demo.myshopify.com'), {
      type: 'product_seo',
      subject: 's',
      title: 't',
      payload: { id: PRODUCT, value: { title: 'new', description: 'new' } },
      diff: {},
      confidence: 1,
      estimatedImpact: 1,
      source: 'test',
    });
    if (id === undefined) throw new Error('not proposed');
    expect(await rollback(executor(app), id), 'nothing to roll back yet').toBeUndefined();
    await decide(app.pool, id, 'approved', 'test');
    await once(app);
    expect(await read()).toMatchObject({ product: { seo: { title: 'new' } } });
    expect(await rollback(executor(app), id)).toBe('rolled_back');
    expect(await read()).toMatchObject({ product: { seo: Object(Reflect.get(Object(before['product']), 'seo')) } });
    expect(await find(app.pool, { id })).toMatchObject({ status: 'rolled_back' });
  });
});

test('workers killed in the middle leave every action with exactly one effect', async ({ expect, onTestFinished }) => {
  const app = await startTestApp({ behaviour: { leastLatencyMs: 20, mostLatencyMs: 80 } });
  onTestFinished(() => app.close());
  const actions = 60;
  for (let n = 0; n < actions; n++) await approved(app, n);
  const executedCount = async (): Promise<number> =>
    (await app.pool.query(`select 1 from actions where status = 'executed'`)).rows.length;

  for (const killAt of [5, 20]) {
    const victim = app.start(['src/worker.ts']);
    await waitFor(`${killAt} executed`, async () => ((await executedCount()) >= killAt ? true : undefined));
    victim.kill('SIGKILL');
    expect(await victim.ended).toBe('SIGKILL');
  }
  const orphaned = await app.pool.query(`select 1 from actions where status = 'executing'`);
  expect(orphaned.rows.length, 'killed with actions in hand').toBeGreaterThan(0);

  const last = app.start(['src/worker.ts']);
  await waitFor('all executed', async () => ((await executedCount()) === actions ? true : undefined));
  last.kill('SIGTERM');
  expect(await last.ended).toBe(0);
  expect(app.shopify.effects()).toMatchObject({ effects: actions, duplicates: [] });
  const failed = await app.pool.query(`select 1 from actions where attempts > 0`);
  expect(failed.rows.length, 'a killed worker costs no attempt').toBe(0);
});
