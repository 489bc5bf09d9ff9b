import { TowpathError } from '../../kernel/index.ts';
import type { Step } from '../../workflow/index.ts';
import type { Release, RolloutInput } from '../model.ts';
import { planRollout } from '../plan.ts';
import { asStep, MINUTE, type StepTools } from './tools.ts';

/** Makes the release from its source and plans the rest. A release that was built before is only proved. */
export function buildStep({ needs, store, describe }: StepTools) {
  const step: Step<RolloutInput> = {
    name: 'build',
    title: (input) =>
      input.reason === 'rollback' ? `take release ${input.to} from the store` : `build release ${input.to}`,
    budgetMs: () => 60 * MINUTE,
    undoes: 'nothing',
    because: 'the artifact stays in the store; nothing runs from it',
    async do(input, context) {
      // What this step has just built is proved at its end.
      const stored = await store.find(input.to);
      if (stored !== undefined) await needs.builder.verify(stored.artifact, context.signal);
      else {
        const source = await store.source(input.to);
        if (source === undefined)
          throw new TowpathError('release.unknown', `there is no release ${input.to}`, {
            remedy: 'fix-input',
            hint: 'see `towpath releases`',
          });
        const built = await context.effect('build the artifact', () => needs.builder.build(source, context.signal));
        await context.effect('file the release', () => store.fill(input.to, built, built.ms));
        await needs.record(
          {
            kind: 'release.created',
            body: {
              release: input.to,
              artifact: built.artifact,
              source: { kind: source.kind, ref: source.ref },
              configHash: built.configHash,
              migrations: built.migrations.map((file) => ({ ...file })),
              groups: Object.keys(built.config.processes),
              buildMs: Math.round(built.ms),
            },
          },
          { scope: needs.scope, rollout: context.run, actor: 'engine' },
        );
      }
      const to = await store.get(input.to);
      if (to.config.app !== needs.scope.app) {
        throw new TowpathError(
          'config.other_app',
          `this is the app ${to.config.app}, but ${needs.scope.app} runs here`,
          {
            remedy: 'fix-input',
            hint: 'deploy it from its own folder, or correct `app` in its towpath.config.ts',
          },
        );
      }
      // Read now, not when the run was asked for: it may have waited for another one.
      const { serving } = await store.state();
      if (serving === input.to) {
        throw new TowpathError('rollout.already_serving', `release ${input.to} serves already`, {
          remedy: 'fix-input',
          hint: 'see `towpath releases` for the others',
        });
      }
      const from = serving === null ? undefined : await store.get(serving);
      const pending = await needs.expand.pending(to.config, to.location, context.signal);
      const plan = planRollout({ scope: needs.scope, from, to, reason: input.reason, pending });
      if (input.plan !== null && input.plan !== plan.hash) throw planChanged(input.plan, plan.hash);
      await needs.record(
        {
          kind: 'rollout.planned',
          body: {
            planHash: plan.hash,
            from: serving,
            to: input.to,
            reason: input.reason,
            ...describe(plan.steps),
            extraInstances: plan.extraInstances,
            extraMemoryMb: plan.extraMemoryMb,
          },
        },
        { scope: needs.scope, rollout: context.run, actor: 'engine' },
      );
      context.follow(plan.steps);
    },
    async verify(input, context) {
      const release: Release = await store.get(input.to);
      await needs.builder.verify(release.artifact, context.signal);
      return `artifact ${release.artifact.slice(0, 12)} has the content its name says`;
    },
  };
  return asStep(step);
}

export const planChanged = (shown: string, now: string): TowpathError =>
  new TowpathError(
    'plan.changed',
    `the plan that was shown (${shown.slice(0, 12)}) is not the plan now (${now.slice(0, 12)})`,
    {
      remedy: 'fix-input',
      hint: 'run `towpath plan` again, read it, and deploy with its hash',
      details: { shown, now },
    },
  );
