import { TowpathError } from '../../kernel/index.ts';
import { ensureDestroyed, ensureInstance, ensureRole, type Instance } from '../../providers/index.ts';
import { until } from '../../system/index.ts';
import type { Step, StepContext } from '../../workflow/index.ts';
import type { Release, RolloutInput } from '../model.ts';
import { specOf, workerGroups, type NamedGroup } from '../wanted.ts';
import type { WorkerGroup } from '../../config/index.ts';
import { asStep, MINUTE, type StepTools } from './tools.ts';

/**
 * Hands the work over by generation: the new workers stand by, the old ones stop claiming and finish
 * what they have, and only then the new ones claim. Undone the same way in the other direction.
 */
export function workersStep(tools: StepTools) {
  const { needs, store, world } = tools;
  const { provider, scope } = needs;

  const groupInstances = async (release: number, group: string, signal: AbortSignal): Promise<readonly Instance[]> =>
    (await world.instancesOf(release, signal)).filter((instance) => instance.group === group);

  async function tell(
    instances: readonly Instance[],
    role: 'active' | 'draining',
    context: StepContext,
  ): Promise<void> {
    for (const instance of instances) {
      if (instance.role === role) continue;
      await context.effect(`${instance.group} ${instance.id}: ${role}`, (fence) =>
        ensureRole(provider, { scope, id: instance.id, role }, fence, context.signal),
      );
    }
  }

  /** Old workers stop claiming and finish; those that do not finish in time are ended. */
  async function drain(release: Release, worker: NamedGroup<WorkerGroup>, context: StepContext): Promise<void> {
    const { name, group } = worker;
    const instances = await groupInstances(release.number, name, context.signal);
    if (group.handover === 'stop-first') {
      for (const instance of instances) await destroy(instance, context);
      return;
    }
    await tell(instances, 'draining', context);
    if (group.handover === 'overlap') return;
    const deadline = needs.clock.elapsed() + group.drainTimeout;
    for (const instance of instances) {
      try {
        await until(
          `${name} of release ${release.number} has finished its jobs`,
          async (signal) => {
            const now = await world.get(instance.id, signal);
            if (now === undefined || now.state === 'failed' || now.state === 'stopped') return true;
            return now.acknowledged?.role === 'draining' && now.acknowledged.inFlight === 0;
          },
          { every: 25, within: Math.max(1, deadline - needs.clock.elapsed()), signal: context.signal },
        );
      } catch (error) {
        if (!(error instanceof TowpathError) || error.code !== 'wait.deadline') throw error;
        await needs.record(
          {
            kind: 'instance',
            body: {
              id: instance.id,
              token: instance.token,
              release: release.number,
              group: name,
              event: 'ended at its drain deadline',
              because: `its jobs were not done within ${group.drainTimeout} ms; they are claimed again`,
            },
          },
          { scope, rollout: context.run, actor: 'engine' },
        );
        await destroy(instance, context);
      }
    }
  }

  const destroy = (instance: Instance, context: StepContext): Promise<void> =>
    context.effect(`end ${instance.group} ${instance.id}`, (fence) =>
      ensureDestroyed(provider, scope, instance.id, fence, context.signal),
    );

  /** Workers that were given up after a crash loop go, so that they are made anew. */
  async function clearFailed(release: Release, name: string, context: StepContext): Promise<void> {
    for (const instance of await groupInstances(release.number, name, context.signal)) {
      if (instance.state === 'failed') await destroy(instance, context);
    }
  }

  /** Makes the workers of a release do the work, starting those that are not there. */
  async function activate(
    release: Release,
    run: number,
    { name, group }: NamedGroup<WorkerGroup>,
    context: StepContext,
  ): Promise<void> {
    const values = await needs.environmentValues(release.config);
    const instances: Instance[] = [];
    for (let index = 0; index < group.instances; index++) {
      const spec = specOf(scope, release, run, name, index, 'active', values);
      instances.push(
        await context.effect(`have ${spec.token}`, (fence) => ensureInstance(provider, spec, fence, context.signal)),
      );
    }
    await tell(instances, 'active', context);
    for (const instance of instances) {
      await world.ready(release, instance, context.signal);
      if (group.handover !== 'generation') continue;
      await until(
        `${name} of release ${release.number} does the work`,
        async (signal) => (await world.get(instance.id, signal))?.acknowledged?.role === 'active',
        { every: 25, within: group.readiness.timeout, signal: context.signal },
      );
    }
  }

  async function proveActive(release: Release, context: StepContext): Promise<string> {
    const names: string[] = [];
    for (const { name, group } of workerGroups(release.config)) {
      const instances = await groupInstances(release.number, name, context.signal);
      const active = instances.filter(
        (instance) =>
          instance.role === 'active' && (group.handover !== 'generation' || instance.acknowledged?.role === 'active'),
      );
      if (active.length < group.instances) {
        throw new TowpathError(
          'rollout.workers_idle',
          `${active.length} of ${group.instances} ${name} of release ${release.number} work`,
          {
            remedy: 'retry',
            hint: `see \`towpath logs --group ${name}\``,
          },
        );
      }
      names.push(`${active.length} ${name}`);
    }
    return `of release ${release.number} only, these work: ${names.join(', ') || 'none, it has no workers'}`;
  }

  async function proveQuiet(release: number | null, context: StepContext): Promise<void> {
    if (release === null) return;
    const loud = (await world.instancesOf(release, context.signal)).filter(
      (instance) => instance.kind === 'worker' && instance.state === 'running' && instance.role === 'active',
    );
    if (loud.length > 0) {
      throw new TowpathError('rollout.two_generations', `${loud.length} workers of release ${release} still work`, {
        remedy: 'retry',
        hint: 'they are told again on the next try',
      });
    }
  }

  const step: Step<RolloutInput> = {
    name: 'workers',
    title: (input) =>
      input.from === null
        ? `the workers of release ${input.to} begin`
        : `hand the work from release ${input.from} to release ${input.to}`,
    budgetMs: () => 60 * MINUTE,
    undoes: 'yes',
    undoRank: 10,
    undoTitle: 'the old workers take the work back',
    async do(input, context) {
      const to = await store.get(input.to);
      if (input.from !== null) {
        const from = await store.get(input.from);
        for (const worker of workerGroups(from.config)) await drain(from, worker, context);
      }
      for (const worker of workerGroups(to.config)) await activate(to, context.run, worker, context);
    },
    async verify(input, context) {
      await proveQuiet(input.from, context);
      return await proveActive(await store.get(input.to), context);
    },
    async undo(input, context) {
      const to = await store.get(input.to);
      for (const worker of workerGroups(to.config)) await drain(to, worker, context);
      if (input.from === null) return;
      const from = await store.get(input.from);
      const { servingRun } = await store.state();
      for (const worker of workerGroups(from.config)) {
        await clearFailed(from, worker.name, context);
        await activate(from, servingRun ?? context.run, worker, context);
      }
    },
    async verifyUndone(input, context) {
      await proveQuiet(input.to, context);
      if (input.from === null) return 'no worker works';
      return await proveActive(await store.get(input.from), context);
    },
  };
  return asStep(step);
}
