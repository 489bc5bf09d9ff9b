import { describe, test } from 'vitest';
import { dealer } from './mix.ts';
import { DEFAULT_MIX, type Kind } from './model.ts';
import { createTally } from './tally.ts';

const failure = { kind: 'get', cause: 'reset', sentAt: 0, error: 'cut', status: undefined, reused: false } as const;

describe('the mix', () => {
  test('holds its shares exactly over every hundred', ({ expect }) => {
    const deal = dealer(DEFAULT_MIX);
    for (let round = 0; round < 3; round++) {
      const dealt: Partial<Record<Kind, number>> = {};
      for (let i = 0; i < 100; i++) {
        const kind = deal();
        dealt[kind] = (dealt[kind] ?? 0) + 1;
      }
      expect(dealt).toEqual(DEFAULT_MIX);
    }
  });

  test('without any share is refused', ({ expect }) => {
    expect(() => dealer({ get: 0 })()).toThrow('names no kind');
  });
});

describe('the tally', () => {
  test('balances at any time', ({ expect }) => {
    const tally = createTally();
    for (let i = 0; i < 5; i++) tally.sent('get');
    tally.ok('get', { release: '1', ms: 3, window: undefined, at: 10 });
    tally.failed({ ...failure, at: 20, release: '2' });
    expect(tally.read(true)).toMatchObject({ sent: 5, ok: 1, failed: 1, inFlight: 3, resets: 1, running: true });
  });

  test('knows for each release when it answered and when it answered badly', ({ expect }) => {
    const tally = createTally();
    tally.ok('get', { release: '1', ms: 3, window: undefined, at: 10 });
    tally.failed({ ...failure, cause: 'status', status: 500, at: 20, release: '1' });
    tally.failed({ ...failure, cause: 'status', status: 500, at: 30, release: '1' });
    tally.ok('slow', { release: '1', ms: 3, window: undefined, at: 40 });
    tally.failed({ ...failure, at: 50, release: undefined });
    const { byRelease, lastFailedAt } = tally.read(true);
    expect(byRelease).toEqual({
      1: { ok: 2, failed: 2, firstAt: 10, lastAt: 40, firstFailedAt: 20, lastFailedAt: 30 },
    });
    expect(lastFailedAt).toBe(50);
  });

  test('keeps the first failures and counts them all', ({ expect }) => {
    const tally = createTally();
    for (let i = 0; i < 1000; i++) tally.failed({ ...failure, at: i, release: undefined });
    const { failures, failed } = tally.read(true);
    expect(failed).toBe(1000);
    expect(failures).toHaveLength(200);
    expect(failures[0]?.at).toBe(0);
  });

  test('tells the latency of a window from the rest, and leaves out what is slow on purpose', ({ expect }) => {
    const tally = createTally();
    for (let i = 1; i <= 100; i++) tally.ok('get', { release: '1', ms: i, window: undefined, at: i });
    for (let i = 0; i < 10; i++) tally.ok('echo', { release: '1', ms: 500, window: 'swap', at: i });
    tally.ok('slow', { release: '1', ms: 5000, window: 'swap', at: 1 });
    const { latency, windows } = tally.read(true);
    expect(latency).toMatchObject({ count: 110, max: 500 });
    expect(latency.p50).toBeGreaterThan(50);
    expect(latency.p50).toBeLessThan(60);
    expect(windows['swap']).toMatchObject({ count: 10, p50: expect.closeTo(500, -2), max: 500 });
  });
});
