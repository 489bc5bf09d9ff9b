import { test } from 'vitest';
import { nextTick, ticksBetween } from './ticks.ts';

const at = (text: string): number => new Date(text).getTime();
const iso = (ticks: readonly number[]): string[] => ticks.map((tick) => new Date(tick).toISOString());

test.for([
  ['*/15 * * * *', '2026-01-01T10:00:00Z', '2026-01-01T10:15:00.000Z'],
  ['*/15 * * * *', '2026-01-01T09:59:59.999Z', '2026-01-01T10:00:00.000Z'],
  ['0 3 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T03:00:00.000Z'],
  ['*/2 * * * * *', '2026-01-01T10:00:00.500Z', '2026-01-01T10:00:02.000Z'],
  // Berlin skips 02:30 that night; UTC does not.
  ['30 2 * * *', '2026-03-29T00:00:00Z', '2026-03-29T02:30:00.000Z'],
] as const)('%s after %s', ([schedule, after, next], { expect }) => {
  expect(iso([nextTick(schedule, at(after)) ?? 0])).toEqual([next]);
});

test('the window is open at its beginning, closed at its end, and limited', ({ expect }) => {
  const [from, to] = [at('2026-01-01T10:00:00Z'), at('2026-01-01T13:00:00Z')];
  expect(iso(ticksBetween('0 * * * *', from, to, 10))).toEqual([
    '2026-01-01T11:00:00.000Z',
    '2026-01-01T12:00:00.000Z',
    '2026-01-01T13:00:00.000Z',
  ]);
  expect(ticksBetween('0 * * * *', from, to, 2)).toHaveLength(2);
  expect(ticksBetween('0 * * * *', to, from, 2)).toEqual([]);
});

test.for(['* * *', '61 * * * *', 'every day', '2026-01-01T00:00:00Z', ''])(
  '"%s" is refused',
  (schedule, { expect }) => {
    expect(() => nextTick(schedule, 0)).toThrow(expect.objectContaining({ code: 'schedule.invalid' }));
  },
);
