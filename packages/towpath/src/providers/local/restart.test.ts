import { describe, test } from 'vitest';
import { addEnd, afterEnd, noEnds, wantsRestart, type Ends } from './restart.ts';

const crash = { reason: 'exited', code: 1, at: 0 } as const;

function endsOf(...at: readonly number[]): Ends {
  let ends = noEnds;
  let before = 0;
  for (const now of at) {
    ends = addEnd(ends, now, now - before);
    before = now;
  }
  return ends;
}

test('pauses double from half a second', ({ expect }) => {
  const pauses = [[10], [10, 600], [10, 600, 1700], [10, 600, 1700, 3800]].map((at) => {
    const move = afterEnd('always', crash, endsOf(...at));
    return move.do === 'restart' ? move.afterMs : move.do;
  });
  expect(pauses).toEqual([500, 1000, 2000, 4000]);
});

test('five ends within a minute are a crash loop; spread wider they are not', ({ expect }) => {
  expect(afterEnd('always', crash, endsOf(0, 1, 2, 3, 59_000)).do).toBe('give-up');
  expect(afterEnd('always', crash, endsOf(0, 1, 2, 3, 60_001)).do).toBe('restart');
});

test('slow crashes reach the longest pause of 30 s, and a minute of running forgives', ({ expect }) => {
  const slow = endsOf(...Array.from({ length: 12 }, (_, i) => i * 20_000));
  expect(afterEnd('always', crash, slow)).toMatchObject({ do: 'restart', afterMs: 30_000 });
  expect(afterEnd('always', crash, addEnd(slow, 400_000, 60_000))).toMatchObject({ do: 'restart', afterMs: 500 });
});

describe('the policy decides who comes back', () => {
  const clean = { reason: 'exited', code: 0, at: 0 } as const;
  const killed = { reason: 'signalled', signal: 'SIGKILL', at: 0 } as const;
  const unseen = { reason: 'unseen', at: 0 } as const;
  const rows = [
    ['always', clean, true],
    ['always', crash, true],
    ['on-failure', clean, false],
    ['on-failure', crash, true],
    ['on-failure', killed, true],
    ['on-failure', unseen, true],
    ['never', crash, false],
    ['never', killed, false],
    ['never', clean, false],
  ] as const;
  for (const [policy, exit, back] of rows) {
    test(`${policy} after ${exit.reason} ${'code' in exit ? exit.code : ''}: ${back ? 'back' : 'rests'}`, ({
      expect,
    }) => {
      expect(wantsRestart(policy, exit)).toBe(back);
      expect(afterEnd(policy, exit, endsOf(5)).do).toBe(back ? 'restart' : 'rest');
    });
  }
});
