import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import type { RolloutView } from '@towpath/wire';
import type { Queryable, Row } from '../../../packages/towpath/src/system/index.ts';
import { countActions, countInterleaved, countTicks } from './count.ts';
import { seeded } from './random.ts';

const answering = (rows: readonly Row[]): Queryable => ({ query: async () => [...rows] });
const at = (second: number): Date => new Date(Date.UTC(2026, 4, 1, 10, 0, second));

test('actions without an effect, with two, and effects that nobody approved are found', async ({
  expect,
  onTestFinished,
}) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'towpath-count-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'effects.jsonl');
  const lines = [
    { attempt: 'a' },
    { key: 'a', operation: 'x', target: 'place a' },
    { attempt: 'a' },
    { attempt: 'b' },
    { key: 'b', operation: 'x', target: 'place b' },
    { attempt: 'other' },
    { key: 'other', operation: 'x', target: 'place b' },
  ];
  await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
  expect(await countActions(file, new Set(['a', 'b', 'c']))).toEqual({
    lost: ['c'],
    duplicated: ['place b'],
    extra: ['other'],
    sentAgain: 1,
  });
});

test('ticks that were not committed, were committed twice or not due are found', async ({ expect }) => {
  const app = answering([
    { recommender: 'a', scheduled_at: at(2) },
    { recommender: 'a', scheduled_at: at(2) },
    { recommender: 'a', scheduled_at: at(5) },
    { recommender: 'a', scheduled_at: at(6) },
  ]);
  const counted = await countTicks(app, ['a'], '*/2 * * * * *', [at(0).getTime(), at(6).getTime()]);
  expect(counted).toEqual({
    expected: 3,
    committed: 4,
    lost: [`a ${at(4).toISOString()}`],
    duplicated: [`a ${at(2).toISOString()}`],
    extra: [`a ${at(5).toISOString()}`],
  });
});

test('claims of two generations between one another are found', async ({ expect }) => {
  const claims = (...releases: readonly number[]) =>
    answering(releases.map((release, i) => ({ by: `worker 2 worker-${release}-abc`, at: at(i) })));
  const rollout = (status: RolloutView['status']) => [
    { status, startedAt: at(0).toISOString(), endedAt: at(30).toISOString() },
  ];
  expect(await countInterleaved(claims(1, 1, 2, 2), rollout('promoted'))).toBe(0);
  expect(await countInterleaved(claims(1, 2, 1), rollout('rolled-back'))).toBe(0);
  expect(await countInterleaved(claims(1, 2, 1, 2), rollout('promoted'))).toBe(2);
  expect(await countInterleaved(claims(1, 2), []), 'a change that no rollout explains').toBe(1);
});

test('a seed gives the same numbers again, spread over the whole range', ({ expect }) => {
  const [one, two] = [seeded(7), seeded(7)];
  const numbers = Array.from({ length: 1000 }, one);
  expect(numbers).toEqual(Array.from({ length: 1000 }, two));
  expect(numbers.reduce((sum, number) => sum + number, 0) / 1000).toBeCloseTo(0.5, 1);
});
