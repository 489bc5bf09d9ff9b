import { test } from 'vitest';
import { untilLook } from './tools.ts';

test('a look comes at its time, or at the moment that decides', ({ expect }) => {
  expect(untilLook(250, 0, [1000, 5000])).toBe(250);
  expect(untilLook(250, 900, [1000, 5000])).toBe(100);
  expect(untilLook(250, 4999, [1000, 5000])).toBe(1);
});

test('a moment that has passed hurries nobody', ({ expect }) => {
  expect(untilLook(250, 1000, [1000])).toBe(250);
  expect(untilLook(250, 6000, [1000, 5000])).toBe(250);
});
