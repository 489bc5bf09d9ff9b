import { describe, test } from 'vitest';
import { afterFailure } from './actions/execute.ts';
import { parseProposal } from './api.ts';
import { plainWording } from './openai.ts';
import { page } from './page.ts';
import { recommenders } from './recommenders/index.ts';
import type { Catalogue } from './recommenders/recommender.ts';
import { readSettings } from './settings.ts';
import { ShopifyError } from './shopify.ts';

test('settings name everything that is missing or wrong at once', ({ expect }) => {
  expect(() => readSettings({ SHOPIFY_URL: 'nowhere', PORT: 'x' })).toThrow(
    'environment: DATABASE_URL is missing; PORT is not a number; SHOPIFY_URL is not a URL; SHOPIFY_TOKEN is missing',
  );
});

describe('a failed attempt', () => {
  test.for([
    [
      'no answer, first time',
      new ShopifyError('unavailable', 'x'),
      0,
      { status: 'approved', failed: true, againInMs: 100 },
    ],
    [
      'no answer, second time',
      new ShopifyError('unavailable', 'x'),
      1,
      { status: 'approved', failed: true, againInMs: 400 },
    ],
    ['no answer, third time', new ShopifyError('unavailable', 'x'), 2, { status: 'failed', failed: true }],
    ['bad input', new ShopifyError('invalid', 'x'), 0, { status: 'failed', failed: true }],
    ['throttled', new ShopifyError('busy', 'x', 700), 2, { status: 'approved', againInMs: 700 }],
  ] as const)('%s', ([, error, before, expected], { expect }) => {
    expect(afterFailure(error, before, 100)).toEqual({ note: 'x', ...expected });
  });
});

test.for([
  [null, 'send a JSON object'],
  [{ type: 'x' }, /type is one of/],
  [{ type: 'metafield', title: '' }, /title is/],
  [{ type: 'metafield', title: 't', payload: { id: 1 } }, /payload is/],
] as const)('proposal %j is refused in words', ([body, expected], { expect }) => {
  expect(parseProposal(body, undefined)).toMatch(expected);
});

test('each recommender proposes for what it looks at, and nothing for a shop in order', async ({ expect }) => {
  const weak: Catalogue = {
    products: [
      {
        id: 'p',
        title: 'Mug',
        description: 'd',
        seoTitle: undefined,
        inventory: 50,
        quiz: undefined,
        image: undefined,
      },
    ],
    collections: [{ id: 'c', title: 'Home', sortOrder: 'MANUAL', soldOut: 1, products: 4 }],
    metaobjects: [{ id: 'm', handle: 'chart', fields: [{ key: 'help', value: '' }] }],
  };
  const fine: Catalogue = { products: [], collections: [], metaobjects: [] };
  const signal = new AbortController().signal;
  for (const recommender of recommenders) {
    expect((await recommender.propose(weak, plainWording, signal)).length, recommender.name).toBe(1);
    expect(await recommender.propose(fine, plainWording, signal)).toEqual([]);
  }
});

test('the page escapes what comes from outside', async ({ expect }) => {
  const now = new Date();
  const html = await page(
    [
      {
        id: '1', type: 'metafield', subject: 's', title: '<script>alert(1)</script>', diff: { '<b>': { from: '<i>', to: '"' } },
        confidence: 0.5, estimated_impact: 1, source: 'x', status: 'pending', attempts: 0, idempotency_key: 'k',
        claimed_by: null, error: null, created_at: now, updated_at: now,
      },
    ],
    recommenders,
    '3',
  ); // prettier-ignore
  expect(String(html)).toContain('&lt;script&gt;alert(1)');
  expect(String(html)).not.toMatch(/<script>alert|<b>|<i>/);
});
