import { describe, test } from 'vitest';
import { simpleJudge } from './index.ts';
import { differenceInterval, wilson } from './interval.ts';
import type { Arm, JudgeInput } from './model.ts';

const arm = (release: number, failures: number, requests: number): Arm => ({
  release,
  requests,
  failures,
  latency: [],
});
const rules = { minRequests: 50, minFailures: 3, maxFailureIncrease: 1 };
const judge = (candidate: Arm, baseline?: Arm, more: Partial<JudgeInput> = {}) =>
  simpleJudge({ candidate, baseline, measurable: true, ...more }, rules);

test.for([
  ['enough requests and no failures', arm(2, 0, 100), arm(1, 0, 1000), 'healthy'],
  ['5 % of 200 against none of 3800', arm(2, 10, 200), arm(1, 0, 3800), 'regressed'],
  ['never ready: everything fails', arm(2, 60, 60), arm(1, 0, 60), 'regressed'],
  ['below the sample', arm(2, 0, 49), arm(1, 0, 1000), 'insufficient'],
  ['all failed, but below the sample', arm(2, 49, 49), arm(1, 0, 1000), 'insufficient'],
  ['no traffic at all', arm(2, 0, 0), arm(1, 0, 0), 'insufficient'],
  ['the old one below the sample', arm(2, 0, 500), arm(1, 0, 20), 'insufficient'],
  ['failures below the least number', arm(2, 2, 50), arm(1, 0, 5000), 'healthy'],
  ['an increase within what is allowed', arm(2, 90, 10_000), arm(1, 0, 10_000), 'healthy'],
  ['exactly what is allowed', arm(2, 100, 10_000), arm(1, 0, 10_000), 'healthy'],
  ['over it by a little, and certain', arm(2, 130, 10_000), arm(1, 0, 10_000), 'regressed'],
  ['over it, but it may be chance', arm(2, 3, 60), arm(1, 1, 60), 'healthy'],
  ['an outage that both have', arm(2, 60, 200), arm(1, 1100, 3800), 'healthy'],
  ['an outage that hits the new one far more', arm(2, 120, 200), arm(1, 1100, 3800), 'regressed'],
  ['alone, within the share', arm(2, 1, 100), undefined, 'healthy'],
  ['alone, over the share', arm(2, 5, 100), undefined, 'regressed'],
  ['the old one gets no traffic any more', arm(2, 5, 100), arm(1, 0, 0), 'regressed'],
  ['impossible counts', arm(2, 10, 5), arm(1, 0, 100), 'unmeasurable'],
] as const)('%s', ([, candidate, baseline, kind], { expect }) => {
  const verdict = judge(candidate, baseline);
  expect(verdict.kind, verdict.because).toBe(kind);
  expect(verdict.because).toMatch(/\d/);
});

test('what cannot be measured neither passes nor fails, and says why', ({ expect }) => {
  const verdict = judge(arm(2, 50, 100), arm(1, 0, 100), {
    measurable: false,
    unmeasurableBecause: 'the router is silent',
  });
  expect(verdict).toMatchObject({ kind: 'unmeasurable', because: expect.stringContaining('the router is silent') });
});

test('the sentences carry the counts that a person can check', ({ expect }) => {
  expect(judge(arm(7, 10, 200), arm(6, 4, 4000)).because).toBe(
    'release 7 failed 10 of 200 requests (5 %); release 6 failed 4 of 4000 requests (0.1 %): 4.9 points more, over the 1 allowed, and with 99 % confidence at least 2.35 more',
  );
  expect(judge(arm(7, 60, 200), arm(6, 1100, 3800)).because).toContain('the old one fails as well');
});

describe('intervals against published figures', () => {
  // Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10 (95 %).
  test.for([
    [56, 70, 48, 80, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.1705, 0.809],
    [6, 7, 2, 7, 0.0582, 0.8062],
    [5, 56, 0, 29, -0.0381, 0.1926],
    [0, 10, 0, 20, -0.1611, 0.2775],
    [10, 10, 0, 20, 0.6791, 1],
  ] as const)('%d/%d - %d/%d', ([a, m, b, n, lower, upper], { expect }) => {
    const found = differenceInterval({ hits: a, total: m }, { hits: b, total: n }, 1.959963984540054);
    expect(found.lower).toBeCloseTo(lower, 4);
    expect(found.upper).toBeCloseTo(upper, 4);
  });

  // Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (95 %).
  test.for([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const)('%d/%d', ([hits, total, lower, upper], { expect }) => {
    const found = wilson({ hits, total }, 1.959963984540054);
    expect(found.lower).toBeCloseTo(lower, 4);
    expect(found.upper).toBeCloseTo(upper, 4);
  });
});
