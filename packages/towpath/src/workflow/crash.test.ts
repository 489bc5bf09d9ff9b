import { describe, test } from 'vitest';
import { createCrash } from './crash.ts';

describe('a named point', () => {
  test('kills there and nowhere else', async ({ expect }) => {
    let killed = 0;
    const crash = createCrash('stage#3:do:inside', () => killed++);
    await crash('stage', 3, 'do', 'before');
    await crash('stage', 3, 'undo', 'inside');
    await crash('stage', 4, 'do', 'inside');
    expect(killed).toBe(0);
    await crash('stage', 3, 'do', 'inside');
    expect(killed).toBe(1);
  });

  test('with a time behind it is stayed at, once, and lived through', async ({ expect }) => {
    let killed = 0;
    const crash = createCrash('cron#7:do:inside~60', () => killed++);
    const start = performance.now();
    await crash('cron', 7, 'do', 'inside');
    const first = performance.now() - start;
    await crash('cron', 7, 'do', 'inside');
    expect(first).toBeGreaterThanOrEqual(55);
    expect(performance.now() - start - first).toBeLessThan(40);
    expect(killed).toBe(0);
  });
});
