import { asTowpathError, type Fence, type TowpathError } from '../kernel/index.ts';
import { ensureDestroyed, ensureInstance, ensureRole } from '../providers/index.ts';
import { sleep } from '../system/index.ts';
import type { Duty } from '../workflow/index.ts';
import type { ReleaseNeeds } from './needs.ts';
import type { ReleaseStore } from './store.ts';
import { specOf, wantedOf, webGroup } from './wanted.ts';
import type { World } from './world.ts';

const ROUTER_EVERY_MS = 500;
const RECONCILE_EVERY_MS = 10_000;
/** After a crash loop the provider gives up; the keeper tries again this much later. */
const REVIVE_AFTER_MS = 60_000;

/**
 * Keeps an environment as it is meant to be while this controller holds the lease: the router's
 * processes, crashed instances, the schedule, and, while no rollout moves it, the serving release.
 */
export function createKeeper(
  needs: ReleaseNeeds,
  store: ReleaseStore,
  world: World,
  busy: () => Promise<boolean>,
): {
  readonly duty: Duty;
  /** What cannot be brought about now, the router's first. */
  trouble(): readonly TowpathError[];
} {
  const { scope, provider, log } = needs;
  const troubles = new Map<string, TowpathError>();

  /** Repeats a look until the signal; trouble is logged once a change, not once a look. */
  async function repeat(name: string, everyMs: number, signal: AbortSignal, look: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await look();
        troubles.delete(name);
      } catch (error) {
        if (signal.aborted) break;
        const known = asTowpathError(error);
        if (known.message !== troubles.get(name)?.message) {
          log.warn(`keeper.${name}`, { code: known.code, message: known.message });
        }
        troubles.set(name, known);
      }
      await sleep(everyMs, signal).catch(() => {});
    }
    troubles.delete(name);
  }

  async function reconcile(fence: Fence, signal: AbortSignal): Promise<void> {
    if (await busy()) return;
    const { serving, servingRun } = await store.state();
    if (serving === null) return;
    const release = await store.get(serving);
    const values = await needs.environmentValues(release.config);
    for (const failed of await world.instancesOf(serving, signal)) {
      // An end that lies ahead was written before the clock was set back: it is old enough.
      const age = needs.clock.now() - (failed.lastExit?.at ?? 0);
      if (failed.state !== 'failed' || (age >= 0 && age < REVIVE_AFTER_MS)) continue;
      await ensureDestroyed(provider, scope, failed.id, fence, signal);
    }
    for (const { group, index } of wantedOf(release.config)) {
      const spec = specOf(scope, release, servingRun ?? 0, group, index, 'active', values);
      const instance = await ensureInstance(provider, spec, fence, signal);
      if (instance.role !== 'active')
        await ensureRole(provider, { scope, id: instance.id, role: 'active' }, fence, signal);
    }
    const wanted = new Set(
      wantedOf(release.config).map(
        ({ group, index }) => specOf(scope, release, servingRun ?? 0, group, index, 'active', {}).token,
      ),
    );
    const instances = await world.list(signal);
    if (webGroup(release.config) !== undefined) {
      const state = await needs.router.observe(signal);
      const ours = instances.filter(
        (instance) => instance.kind === 'web' && instance.release === serving && instance.address !== undefined,
      );
      const differs =
        state.table.weights.length !== 1 ||
        state.table.weights[0]?.release !== serving ||
        state.table.targets.length !== ours.length ||
        ours.some(
          (instance) =>
            !state.table.targets.some((target) => target.id === instance.id && target.port === instance.address?.port),
        );
      if (differs && ours.length > 0) {
        if (await busy()) return;
        await world.route([serving], [{ release: serving, weight: 100 }], undefined, fence, signal);
      }
    }
    for (const extra of instances.filter((instance) => instance.kind !== 'cron' && !wanted.has(instance.token))) {
      if (await busy()) return;
      log.warn('keeper.orphan', { id: extra.id, token: extra.token });
      await ensureDestroyed(provider, scope, extra.id, fence, signal);
    }
  }

  const duty: Duty = async (lease, signal) => {
    await needs.record(
      { kind: 'lease.taken', body: { epoch: lease.fence.epoch, holder: needs.holder } },
      { scope, actor: 'keeper' },
    );
    const current = async () => {
      const { cronRelease } = await store.state();
      if (cronRelease === null) return undefined;
      const release = await store.get(cronRelease);
      return { release: cronRelease, config: release.config };
    };
    await Promise.all([
      repeat('router', ROUTER_EVERY_MS, signal, async () => void (await needs.ensureRouter(signal))),
      repeat('supervise', 1000, signal, () => provider.supervise(scope, lease.fence, signal)),
      repeat('reconcile', RECONCILE_EVERY_MS, signal, () => reconcile(lease.fence, signal)),
      repeat('cron', 1000, signal, () => needs.cron.run(current, lease.fence, signal)),
    ]);
  };
  return { duty, trouble: () => [...troubles.values()] };
}
