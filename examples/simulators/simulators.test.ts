import { describe, test } from 'vitest';
import { createBucket, PLANS } from './bucket.ts';
import { operationOf } from './shop.ts';

describe('leaky bucket', () => {
  test('gives what it has, refills with time, and never beyond its size', ({ expect }) => {
    let now = 0;
    const bucket = createBucket({ restoreRate: 100, maximumAvailable: 200 }, () => now);
    expect(bucket.take(150)).toBe(true);
    expect(bucket.take(60)).toBe(false);
    now = 100;
    expect(bucket.take(60)).toBe(true);
    expect(bucket.status()).toEqual({ restoreRate: 100, maximumAvailable: 200, currentlyAvailable: 0 });
    now = 60_000;
    expect(bucket.status().currentlyAvailable).toBe(200);
  });
  test('standard shops get 100 points a second', ({ expect }) => {
    expect(PLANS.standard.restoreRate).toBe(100);
  });
});

test.for([
  ['{ shop { id name } }', { mutation: false, field: 'shop' }],
  ['query ($id: ID!) { product(id: $id) { id } }', { mutation: false, field: 'product' }],
  [
    'mutation m($id: ID!) { productUpdate(product: { id: $id }) { product { id } } }',
    { mutation: true, field: 'productUpdate' },
  ],
] as const)('the operation of %s', ([document, expected], { expect }) => {
  expect(operationOf(document)).toEqual(expected);
});
