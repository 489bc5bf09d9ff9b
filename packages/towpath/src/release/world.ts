import { TowpathError, type Fence } from '../kernel/index.ts';
import { ensureDestroyed, patientLooks, type Instance } from '../providers/index.ts';
import type { RouterState, RouteTable } from '../router/index.ts';
import { until } from '../system/index.ts';
import type { Release } from './model.ts';
import type { ReleaseNeeds } from './needs.ts';
import { webGroup } from './wanted.ts';

/** Reads and changes what really is: instances and routes of one environment. */
export function createWorld(needs: ReleaseNeeds) {
  const { scope, provider, router } = needs;

  const { list, get } = patientLooks(provider, scope);

  async function instancesOf(release: number, signal: AbortSignal): Promise<readonly Instance[]> {
    return (await list(signal)).filter((instance) => instance.release === release && instance.kind !== 'cron');
  }

  /**
   * Puts a table in force that sends by these weights to the addresses of these releases' web
   * instances. Releases that have a weight but no address are an error: nothing is sent nowhere.
   */
  async function route(
    releases: readonly number[],
    weights: readonly { readonly release: number; readonly weight: number }[],
    candidate: number | undefined,
    fence: Fence,
    signal: AbortSignal,
  ): Promise<RouterState> {
    const targets = (await list(signal)).flatMap((instance) =>
      instance.kind === 'web' &&
      instance.address !== undefined &&
      instance.state !== 'stopped' &&
      instance.state !== 'stopping' &&
      releases.includes(instance.release)
        ? [{ id: instance.id, release: instance.release, host: instance.address.host, port: instance.address.port }]
        : [],
    );
    for (const { release, weight } of weights) {
      if (weight > 0 && !targets.some((target) => target.release === release)) {
        throw new TowpathError(
          'rollout.no_target',
          `release ${release} is to get ${weight} % but has no instance to send to`,
          {
            remedy: 'undo',
            hint: 'see `towpath status` and `towpath logs` for its instances',
          },
        );
      }
    }
    const table: RouteTable = {
      targets,
      weights: weights.filter(({ weight }) => weight > 0),
      sticky: true,
      ...(candidate === undefined ? {} : { candidate }),
      hold: false,
    };
    return await router.apply(table, fence, signal);
  }

  /** @throws TowpathError when the router does not send by exactly these weights */
  async function proveWeights(
    weights: readonly { readonly release: number; readonly weight: number }[],
    signal: AbortSignal,
  ): Promise<string> {
    const state = await router.observe(signal);
    const found = describeWeights(state.table.weights);
    const wanted = describeWeights(weights);
    if (found !== wanted) {
      throw new TowpathError('rollout.weights_differ', `the router sends ${found}, not ${wanted}`, {
        remedy: 'retry',
        hint: 'another hand may have changed it; it is put right on the next try',
      });
    }
    return `the router reports ${found}`;
  }

  /**
   * Waits until an instance takes requests or, for a worker, says that it can be given work. Ending twice
   * meanwhile is a crash; what it went through before is history.
   */
  async function ready(release: Release, instance: Instance, signal: AbortSignal): Promise<void> {
    const group = release.config.processes[instance.group];
    if (group === undefined || group.kind === 'cron') return;
    const web = webGroup(release.config);
    const readiness = group.readiness;
    const what = `${instance.group} of release ${release.number} is ready`;
    const start = needs.clock.elapsed();
    try {
      await until(
        what,
        async (look) => {
          const now = await get(instance.id, look);
          if (now === undefined || now.state === 'failed' || now.restarts - instance.restarts >= 2)
            throw crashed(release.number, instance.group, now);
          if (group.kind === 'web' && web !== undefined && now.address !== undefined) {
            const url = `http://${now.address.host}:${now.address.port}${group.readiness.path}`;
            const status = await needs.probe(url, 2000, look);
            return status !== undefined && status >= 200 && status < 300;
          }
          if (group.kind === 'worker' && group.handover === 'generation') return now.acknowledged?.ready === true;
          // Nothing can be asked of it: it counts as up once it has stayed up.
          return now.state === 'running' && needs.clock.elapsed() - start > 1000;
        },
        { every: group.kind === 'web' ? group.readiness.interval : 100, within: readiness.timeout, signal },
      );
    } catch (error) {
      if (error instanceof TowpathError && error.code === 'wait.deadline') {
        throw new TowpathError('rollout.not_ready', `${what}: not within ${readiness.timeout} ms`, {
          remedy: 'undo',
          hint:
            group.kind === 'web'
              ? `see \`towpath logs --release ${release.number}\`; readiness.path must answer 2xx`
              : `see \`towpath logs --release ${release.number}\`; a worker says so with the sdk's tow.ready(), or set handover: 'stop-first'`,
          cause: error,
        });
      }
      throw error;
    }
  }

  /** Destroys every instance of a release that `choose` picks, and looks again until none is left. */
  async function destroyAll(
    choose: (instance: Instance) => boolean,
    fence: Fence,
    signal: AbortSignal,
  ): Promise<number> {
    let destroyed = 0;
    await until(
      'the instances are gone',
      async () => {
        const left = (await list(signal)).filter(choose);
        if (left.length === 0) return true;
        await Promise.all(left.map((instance) => ensureDestroyed(provider, scope, instance.id, fence, signal)));
        destroyed += left.length;
        return false;
      },
      { every: Math.max(20, provider.limits.listLagMs), within: 5 * 60_000, signal },
    );
    return destroyed;
  }

  /** @throws TowpathError `rollout.orphans` */
  async function proveGone(release: number, signal: AbortSignal): Promise<string> {
    const left = await instancesOf(release, signal);
    if (left.length === 0) return `no instance of release ${release} is left`;
    throw new TowpathError('rollout.orphans', `${left.length} instances of release ${release} are still there`, {
      remedy: 'retry',
      hint: 'they are removed on the next try',
    });
  }

  return { list, get, instancesOf, proveGone, route, proveWeights, ready, destroyAll };
}
export type World = ReturnType<typeof createWorld>;

export const describeWeights = (weights: readonly { readonly release: number; readonly weight: number }[]): string =>
  weights
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => a.release - b.release)
    .map(({ release, weight }) => `${weight} % to release ${release}`)
    .join(', ') || 'nothing anywhere';

function crashed(release: number, group: string, instance: Instance | undefined): TowpathError {
  const exit = instance?.lastExit;
  const how =
    exit === undefined
      ? 'it is gone'
      : exit.reason === 'memory'
        ? 'it used more memory than allowed'
        : exit.signal !== undefined
          ? `it was ended by ${exit.signal}`
          : `it ended with code ${exit.code ?? 'unknown'}`;
  return new TowpathError('rollout.instance_crashed', `${group} of release ${release} does not stay up: ${how}`, {
    remedy: 'undo',
    hint: `see \`towpath logs --release ${release} --group ${group}\` for its last lines`,
    details: { release, group, restarts: instance?.restarts ?? 0 },
  });
}
