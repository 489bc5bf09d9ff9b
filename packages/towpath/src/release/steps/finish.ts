import { TowpathError, type Fence } from '../../kernel/index.ts';
import { until } from '../../system/index.ts';
import type { Step, StepContext } from '../../workflow/index.ts';
import { census } from '../census.ts';
import type { RolloutInput } from '../model.ts';
import { webGroup } from '../wanted.ts';
import { drainRequests } from './drain.ts';
import { asStep, MINUTE, type StepTools } from './tools.ts';

/** The new release becomes what the environment is meant to run; the old one drains and stops. */
export function retireStep(tools: StepTools) {
  const { store, world } = tools;
  const step: Step<RolloutInput & { readonly from: number }> = {
    name: 'retire',
    title: (input) => `release ${input.from} drains and stops`,
    budgetMs: () => 60 * MINUTE,
    undoes: 'never',
    pointOfNoReturn:
      'once the old release has stopped, going back to it means starting it again from its artifact (`towpath rollback` does that)',
    async do(input, context) {
      await context.effect(`release ${input.to} is what serves`, (fence) => serve(input, context, fence));
      await drainRequests(tools, await store.get(input.from), ['requests', 'upgraded'], context.signal);
      const to = await store.get(input.to);
      if (webGroup(to.config) !== undefined) {
        await context.effect(`make the router forget release ${input.from}`, (fence) =>
          world.route([input.to], [{ release: input.to, weight: 100 }], undefined, fence, context.signal),
        );
      }
      await context.effect(`stop the instances of release ${input.from}`, (fence) =>
        world.destroyAll(
          (instance) => instance.release === input.from && instance.kind !== 'cron',
          fence,
          context.signal,
        ),
      );
    },
    verify: (input, context) => world.proveGone(input.from, context.signal),
  };
  const serve = (input: RolloutInput, context: StepContext, fence: Fence): Promise<void> =>
    store.setState({ serving: input.to, servingRun: context.run }, fence);
  return asStep(step);
}

/** The first release has nothing to retire; it only becomes what the environment is meant to run. */
export function settleStep({ store }: StepTools) {
  const step: Step<RolloutInput> = {
    name: 'settle',
    title: (input) => `release ${input.to} is what serves from now on`,
    budgetMs: () => MINUTE,
    undoes: 'never',
    pointOfNoReturn: 'nothing served before it: there is no release to go back to',
    async do(input, context) {
      await context.effect(`release ${input.to} is what serves`, (fence) =>
        store.setState({ serving: input.to, servingRun: context.run }, fence),
      );
    },
    async verify(input) {
      const { serving } = await store.state();
      if (serving === input.to) return `the environment is meant to run release ${input.to}`;
      throw new TowpathError('rollout.not_settled', `release ${String(serving)} is meant to serve`, {
        remedy: 'retry',
        hint: 'it is put right on the next try',
      });
    },
  };
  return asStep(step);
}

/** Counts what really runs and compares it with what was planned. */
export function censusStep(tools: StepTools) {
  const step: Step<RolloutInput> = {
    name: 'census',
    title: () => 'count what really runs',
    budgetMs: () => 2 * MINUTE,
    undoes: 'nothing',
    because: 'it only looks',
    // The count is the proof, so it is made in verify.
    do: async () => {},
    verify: (_input, context) =>
      until(
        'census equals plan',
        async (signal) => {
          const found = await census(tools, signal);
          if (!found.equal) return undefined;
          await tools.needs.record(
            { kind: 'census', body: found },
            { scope: tools.needs.scope, rollout: context.run, actor: 'engine' },
          );
          return `${found.found.length} of ${found.expected.length} as planned, nothing else`;
        },
        { every: 100, within: 30_000, signal: context.signal },
      ),
  };
  return asStep(step);
}
