import type { ProcessGroup } from '../../config/index.ts';
import { TowpathError } from '../../kernel/index.ts';
import { ensureInstance } from '../../providers/index.ts';
import { until } from '../../system/index.ts';
import type { Step } from '../../workflow/index.ts';
import type { RolloutInput } from '../model.ts';
import { specOf, wantedOf, webGroup } from '../wanted.ts';
import { drainRequests } from './drain.ts';
import { asStep, MINUTE, type StepTools } from './tools.ts';

/** Starts the new release beside the old one: web instances without traffic, workers on standby. */
export function startStep(tools: StepTools) {
  const { needs, store, world, measure } = tools;
  const { provider, scope } = needs;

  const step: Step<RolloutInput> = {
    name: 'start',
    title: (input) =>
      input.from === null
        ? `start release ${input.to}`
        : `start release ${input.to} beside release ${input.from}, without traffic`,
    budgetMs: () => 15 * MINUTE,
    undoes: 'yes',
    undoRank: 30,
    undoTitle: 'its instances stop',
    async do(input, context) {
      const release = await store.get(input.to);
      await needs.builder.verify(release.artifact, context.signal);
      const values = await needs.environmentValues(release.config);
      // The first reading marks where the counts of this run begin.
      await measure.look(context.run, context.signal);
      const started = await Promise.all(
        wantedOf(release.config)
          .filter(({ group }) => startsNow(release.config.processes[group]))
          .map(async ({ group, index, kind }) => {
            const role = kind === 'web' || overlaps(release.config.processes[group]) ? 'active' : 'standby';
            const spec = specOf(scope, release, context.run, group, index, role, values);
            return await context.effect(`start ${spec.token}`, (fence) =>
              ensureInstance(provider, spec, fence, context.signal),
            );
          }),
      );
      await Promise.all(started.map((instance) => world.ready(release, instance, context.signal)));
      if (webGroup(release.config) !== undefined) {
        await context.effect('make the router know it, with 0 %', (fence) => {
          const old = input.from === null ? [] : [input.from];
          const weights = input.from === null ? [] : [{ release: input.from, weight: 100 }];
          return world.route([...old, input.to], weights, input.to, fence, context.signal);
        });
      }
    },
    async verify(input, context) {
      const release = await store.get(input.to);
      const wanted = wantedOf(release.config).filter(({ group }) => startsNow(release.config.processes[group])).length;
      const running = async (): Promise<number> =>
        (await world.instancesOf(input.to, context.signal)).filter((instance) => instance.state === 'running').length;
      // Ready may be said a moment before the provider reports it.
      await until('the new instances run', async () => (await running()) >= wanted, {
        every: 50,
        within: 5000 + 2 * provider.limits.listLagMs,
        signal: context.signal,
      }).catch(async () => {
        context.signal.throwIfAborted();
        throw new TowpathError(
          'rollout.instance_crashed',
          `${await running()} of ${wanted} instances of release ${input.to} run`,
          { remedy: 'undo', hint: `see \`towpath logs --release ${input.to}\`` },
        );
      });
      if (webGroup(release.config) !== undefined) {
        await until(
          'the router reaches the new instances',
          async (signal) => {
            const state = await needs.router.observe(signal);
            const ours = state.table.targets.filter((target) => target.release === input.to);
            return (
              ours.length > 0 &&
              ours.every((target) => state.targets.some((seen) => seen.id === target.id && seen.healthy))
            );
          },
          { every: 50, within: 10_000, signal: context.signal },
        );
      }
      return `${wanted} of ${wanted} instances run and are ready`;
    },
    async undo(input, context) {
      const release = await store.find(input.to);
      if (release === undefined) return;
      if (webGroup(release.config) !== undefined) {
        // Its streams and sockets are not waited for: who takes a release back wants it gone.
        await drainRequests(tools, release, ['requests'], context.signal);
        await context.effect('make the router forget it', (fence) =>
          input.from === null
            ? world.route([], [], undefined, fence, context.signal)
            : world.route([input.from], [{ release: input.from, weight: 100 }], undefined, fence, context.signal),
        );
      }
      await context.effect(`stop the instances of release ${input.to}`, (fence) =>
        world.destroyAll((instance) => instance.release === input.to, fence, context.signal),
      );
    },
    verifyUndone: (input, context) => world.proveGone(input.to, context.signal),
  };
  return asStep(step);
}

type Group = ProcessGroup | undefined;
const startsNow = (group: Group): boolean => !(group?.kind === 'worker' && group.handover === 'stop-first');
const overlaps = (group: Group): boolean => group?.kind === 'worker' && group.handover === 'overlap';
