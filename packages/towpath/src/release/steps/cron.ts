import { TowpathError } from '../../kernel/index.ts';
import type { Step } from '../../workflow/index.ts';
import type { RolloutInput } from '../model.ts';
import { asStep, MINUTE, type StepTools } from './tools.ts';

/** From now on the ticks of the schedule run the new release. Runs in hand finish on the old one. */
export function cronStep({ needs, store }: StepTools) {
  const point = (release: number | null, run: number | null) => ({ cronRelease: release, cronRun: run });
  const prove = async (release: number | null): Promise<string> => {
    const { cronRelease } = await store.state();
    if (cronRelease !== release) {
      throw new TowpathError(
        'rollout.cron_differs',
        `cron runs release ${String(cronRelease)}, not ${String(release)}`,
        {
          remedy: 'retry',
          hint: 'it is put right on the next try',
        },
      );
    }
    return release === null ? 'no cron runs' : `the next ticks run release ${release}`;
  };
  const step: Step<RolloutInput> = {
    name: 'cron',
    title: (input) => `scheduled jobs run release ${input.to}`,
    budgetMs: () => MINUTE,
    undoes: 'yes',
    undoRank: 11,
    undoTitle: 'they run the old release again',
    async do(input, context) {
      await context.effect(`cron to release ${input.to}`, (fence) =>
        store.setState(point(input.to, context.run), fence),
      );
      needs.cron.changed();
    },
    verify: (input) => prove(input.to),
    async undo(input, context) {
      const { servingRun } = await store.state();
      await context.effect('cron back', (fence) =>
        store.setState(point(input.from, input.from === null ? null : servingRun), fence),
      );
      needs.cron.changed();
    },
    verifyUndone: (input) => prove(input.from),
  };
  return asStep(step);
}
