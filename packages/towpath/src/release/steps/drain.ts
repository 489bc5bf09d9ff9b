import { TowpathError } from '../../kernel/index.ts';
import { until } from '../../system/index.ts';
import type { Release } from '../model.ts';
import { webGroup } from '../wanted.ts';
import type { StepTools } from './tools.ts';

/**
 * Waits until a release that gets no new requests has answered those it has. What is not done by its
 * deadline is left to be cut: that is what the deadline is for.
 */
export async function drainRequests(
  { needs }: StepTools,
  release: Release,
  kinds: readonly ('requests' | 'upgraded')[],
  signal: AbortSignal,
): Promise<void> {
  const web = webGroup(release.config);
  if (web === undefined) return;
  const { drainTimeout, upgradeDrainTimeout } = web.group;
  const drained = async (kind: 'requests' | 'upgraded', within: number): Promise<void> => {
    await until(
      `the ${kind} of release ${release.number} are done`,
      async (look) => {
        const { inFlight } = await needs.router.observe(look);
        return (inFlight.find((one) => one.release === release.number)?.[kind] ?? 0) === 0;
      },
      { every: 25, within, signal },
    ).catch((error: unknown) => {
      if (!(error instanceof TowpathError) || error.code !== 'wait.deadline') throw error;
    });
  };
  const deadlines = { requests: drainTimeout, upgraded: upgradeDrainTimeout };
  await Promise.all(kinds.map((kind) => drained(kind, deadlines[kind])));
}
