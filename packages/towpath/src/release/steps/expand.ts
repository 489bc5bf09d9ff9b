import { TowpathError } from '../../kernel/index.ts';
import type { Step } from '../../workflow/index.ts';
import type { ExpandInput } from '../plan.ts';
import { asStep, type StepTools } from './tools.ts';

/** Applies the pending migrations, once, under a lock, without queueing the app's own queries. */
export function expandStep({ needs, store }: StepTools) {
  const step: Step<ExpandInput> = {
    name: 'expand',
    title: (input) =>
      `apply ${input.files.length === 1 ? 'migration' : `${input.files.length} migrations:`} ${input.files.join(', ')}`,
    budgetMs: (input) => input.budgetMs,
    undoes: 'nothing',
    because: 'expand migrations stay: the release before runs with them',
    async do(input, context) {
      const { config, location } = await store.get(input.to);
      const applied = await context.effect('apply the migrations', () =>
        needs.expand.apply(config, location, input.to, () => context.prove(), context.signal),
      );
      for (const one of applied) {
        await needs.record(
          { kind: 'migration.applied', body: { ...one, ms: Math.round(one.ms) } },
          { scope: needs.scope, rollout: context.run, actor: 'engine' },
        );
      }
    },
    async verify(input, context) {
      const { config, location } = await store.get(input.to);
      const left = await needs.expand.pending(config, location, context.signal);
      if (left.length > 0) {
        throw new TowpathError('migration.incomplete', `${left.map((file) => file.name).join(', ')} is still pending`, {
          remedy: 'undo',
          hint: 'see the ledger for why, then deploy again',
        });
      }
      return 'the database has every migration of this release';
    },
  };
  return asStep(step);
}
