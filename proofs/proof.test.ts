import { describe, test } from 'vitest';
import { judge } from './proof.ts';

describe('judging figures', () => {
  test.for([
    ['at most', 5, 5, true],
    ['at most', 5, 5.01, false],
    ['at least', 5, 5, true],
    ['at least', 5, 4.99, false],
    ['exactly', 0, 0, true],
    ['exactly', 0, 1, false],
    ['at most', 5, Number.NaN, false],
    ['at least', 5, Number.POSITIVE_INFINITY, false],
  ] as const)('%s %d: %d is %s', ([is, limit, value, ok], { expect }) => {
    const [judged] = judge([{ figure: 'x', is, limit, unit: '' }], { x: value });
    expect(judged).toMatchObject({ value, ok });
  });

  test('the quick form is not held against bounds of the full one', ({ expect }) => {
    const bounds = [{ figure: 'x', is: 'at least', limit: 5, unit: '', fullOnly: true }] as const;
    expect(judge(bounds, { x: 1 }, true)).toEqual([]);
    expect(judge(bounds, { x: 1 })[0]).toMatchObject({ ok: false });
  });

  test('a figure that is missing has failed', ({ expect }) => {
    expect(judge([{ figure: 'x', is: 'at most', limit: 5, unit: '' }], { y: 1 })[0]).toMatchObject({ ok: false });
  });
});
