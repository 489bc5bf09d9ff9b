import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'vitest';
import { startOpenAiSimulator } from './openai.ts';
import { startShopifySimulator } from './shopify.ts';

const WRITE =
  'mutation ($id: ID!, $value: SEOInput!) { productUpdate(product: { id: $id, seo: $value }) { userErrors { message } } }';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly data?: Record<string, { seo?: unknown; userErrors?: { message: string }[] }>;
    readonly errors?: unknown;
    readonly extensions?: { readonly cost: Record<string, unknown> & { throttleStatus: Record<string, number> } };
  };
}

async function ask(
  url: string,
  query: string,
  variables: Record<string, unknown> = {},
  headers: Record<string, string> = {},
  version = '2026-10',
): Promise<Answer> {
  const response = await fetch(`${url}/admin/api/${version}/graphql.json`, {
    method: 'POST',
    headers: { 'x-shopify-access-token': 'simulator-token', 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}
const change = (value: string) => ({ id: 'gid://shopify/Product/7', value: { title: value } });

describe('Shopify', () => {
  test('answers with data, cost and the version it served', async ({ expect, onTestFinished }) => {
    const shopify = await startShopifySimulator();
    onTestFinished(() => shopify.close());
    const answer = await ask(shopify.url, '{ shop { id } }', {}, {}, '2024-01');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-shopify-api-version'), 'a version that is gone falls forward').toBe('2026-01');
    expect(answer.body.data).toMatchObject({ shop: { myshopifyDomain: 'demo.myshopify.com' } });
    expect(answer.body.extensions?.cost).toMatchObject({
      requestedQueryCost: 3,
      actualQueryCost: 3,
      throttleStatus: { maximumAvailable: 2000, restoreRate: 100 },
    });
    expect((await ask(shopify.url, '{ shop { id } }', {}, { 'x-shopify-access-token': 'no' })).status).toBe(401);
    expect((await ask(shopify.url, '{ orders { id } }')).body.errors).toMatchObject([
      { extensions: { code: 'undefinedField' } },
    ]);
  });

  test('carries a mutation out once for each key, and every time without one', async ({ expect, onTestFinished }) => {
    const shopify = await startShopifySimulator();
    onTestFinished(() => shopify.close());
    const keyed = { 'x-idempotency-key': 'k1' };
    await ask(shopify.url, WRITE, change('a'), keyed);
    await ask(shopify.url, WRITE, change('a'), keyed);
    expect(shopify.effects()).toMatchObject({ effects: 1, attempts: 2, keys: { k1: { effects: 1, attempts: 2 } } });
    const other = await ask(shopify.url, WRITE, change('b'), keyed);
    expect(other.body.data?.['productUpdate']?.userErrors).toHaveLength(1);
    await ask(shopify.url, WRITE, change('c'));
    await ask(shopify.url, WRITE, change('d'));
    expect(shopify.effects()).toMatchObject({ effects: 3, attempts: 5, duplicates: [] });
    const now = await ask(shopify.url, 'query ($id: ID!) { product(id: $id) { seo { title } } }', change('x'));
    expect(now.body.data?.['product']?.seo).toEqual({ title: 'd' });
    const counts: unknown = await (await fetch(`${shopify.url}/__effects`)).json();
    expect(counts).toEqual(shopify.effects());
  });

  test('throttles with status 200 and says what to wait for', async ({ expect, onTestFinished }) => {
    const shopify = await startShopifySimulator({ behaviour: { throttled: 1 } });
    onTestFinished(() => shopify.close());
    const answer = await ask(shopify.url, WRITE, change('a'), { 'x-idempotency-key': 'k' });
    expect(answer.status).toBe(200);
    expect(answer.body.errors).toMatchObject([{ extensions: { code: 'THROTTLED' } }]);
    expect(answer.body.extensions?.cost).toMatchObject({ requestedQueryCost: 10, actualQueryCost: null });
    expect(answer.body.extensions?.cost.throttleStatus['currentlyAvailable']).toBeLessThan(10);
    expect(shopify.effects().effects).toBe(0);
  });

  test('misbehaves when told: 429, 500, and an effect whose answer is lost', async ({ expect, onTestFinished }) => {
    const shopify = await startShopifySimulator();
    onTestFinished(() => shopify.close());
    const behave = (wanted: Record<string, unknown>) =>
      fetch(`${shopify.url}/__behave`, { method: 'POST', body: JSON.stringify(wanted) });
    await behave({ rateLimited: 1, retryAfterSeconds: 2, nonsense: 1, failing: 'yes' });
    const limited = await ask(shopify.url, WRITE, change('a'));
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '2.0']);
    await behave({ rateLimited: 0, failing: 1 });
    expect((await ask(shopify.url, WRITE, change('a'))).status).toBe(500);
    expect(shopify.effects().attempts).toBe(0);
    await behave({ failing: 0, loseAnswer: 1 });
    await expect(ask(shopify.url, WRITE, change('a'), { 'x-idempotency-key': 'lost' })).rejects.toThrow('fetch failed');
    expect(shopify.effects().keys['lost']).toEqual({ effects: 1, attempts: 1 });
  });

  test('runs by itself, and remembers its effects when it was killed', async ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'shopify-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const state = path.join(folder, 'effects.jsonl');
    const program = new URL('./shopify.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [program, '--port', '0', '--state', state, '--plan', 'plus'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const url = await new Promise<string>((resolve) =>
      child.stdout.on('data', (line: Buffer) => resolve(line.toString().trim())),
    );
    await ask(url, WRITE, change('a'), { 'x-idempotency-key': 'k1' });
    const plan = await ask(url, '{ shop { id } }');
    expect(plan.body.extensions?.cost.throttleStatus['restoreRate']).toBe(1000);
    child.kill('SIGKILL');
    await ended;

    const again = await startShopifySimulator({ state });
    onTestFinished(() => again.close());
    await ask(again.url, WRITE, change('a'), { 'x-idempotency-key': 'k1' });
    expect(again.effects()).toMatchObject({ effects: 1, attempts: 2 });
  });
});

describe('OpenAI', () => {
  const chat = (url: string, key = 'simulator-key') =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'A title for "Mug"' }] }),
    });
  const contentOf = async (response: Response): Promise<string> => {
    const body = (await response.json()) as { choices: { message: { content: string } }[] };
    return body.choices[0]?.message.content ?? '';
  };

  test('lists models, completes, and names its limits', async ({ expect, onTestFinished }) => {
    const openai = await startOpenAiSimulator();
    onTestFinished(() => openai.close());
    const models = await fetch(`${openai.url}/v1/models`, { headers: { authorization: 'Bearer simulator-key' } });
    expect(await models.json()).toMatchObject({ object: 'list', data: [{ object: 'model' }, { object: 'model' }] });
    const answer = await chat(openai.url);
    expect(answer.headers.get('x-ratelimit-remaining-requests')).toBe('499');
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
    expect(JSON.parse(await contentOf(answer))).toEqual({ text: 'Mug, chosen with care' });
    expect(openai.completions()).toBe(1);
    const refused = await chat(openai.url, 'wrong');
    expect([refused.status, await refused.json()]).toMatchObject([401, { error: { code: 'invalid_api_key' } }]);
  });

  test('has two kinds of 429, overload, and answers cut in the middle', async ({ expect, onTestFinished }) => {
    const openai = await startOpenAiSimulator({ behaviour: { rateLimited: 1 } });
    onTestFinished(() => openai.close());
    const limited = await chat(openai.url);
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await limited.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
    openai.behave({ rateLimited: 0, outOfQuota: true });
    expect(await (await chat(openai.url)).json()).toMatchObject({ error: { type: 'insufficient_quota' } });
    openai.behave({ outOfQuota: false, overloaded: 1 });
    expect((await chat(openai.url)).status).toBe(503);
    openai.behave({ overloaded: 0, truncated: 1 });
    const cut = await chat(openai.url);
    expect(cut.status).toBe(200);
    const text = await contentOf(cut);
    expect(() => void JSON.parse(text)).toThrow();
  });
});
