import { TowpathError } from '../kernel/index.ts';
import type { StepTools } from './steps/tools.ts';
import { wantedOf, webGroup } from './wanted.ts';

export interface Census {
  readonly equal: boolean;
  readonly expected: string[];
  readonly found: string[];
  readonly differences: string[];
}

/**
 * What is really running, read from the provider and the router, against what the environment is meant
 * to run. Runs of cron groups come and go and are not in it.
 */
export async function census(
  { needs, store, world }: Pick<StepTools, 'needs' | 'store' | 'world'>,
  signal: AbortSignal,
): Promise<Census> {
  const { serving } = await store.state();
  const release = serving === null ? undefined : await store.get(serving);
  const expected: string[] = [];
  if (release !== undefined) {
    for (const { group, index, kind } of wantedOf(release.config)) {
      expected.push(
        `release ${release.number} ${group} ${index}: running, ${kind === 'web' ? 'in the router' : 'active'}`,
      );
    }
    if (webGroup(release.config) !== undefined) expected.push(`router: 100 % to release ${release.number}`);
  }
  const state = await needs.router.observe(signal).catch((error: unknown) => {
    if (error instanceof TowpathError && error.remedy === 'retry') return undefined;
    throw error;
  });
  const counters = new Map<string, number>();
  const found = (await world.list(signal))
    .filter((instance) => instance.kind !== 'cron')
    .toSorted((a, b) => a.token.localeCompare(b.token))
    .map((instance) => {
      const key = `release ${instance.release} ${instance.group}`;
      const index = counters.get(key) ?? 0;
      counters.set(key, index + 1);
      const routed = state?.table.targets.some((target) => target.id === instance.id) === true;
      const place = instance.kind === 'web' ? (routed ? 'in the router' : 'not in the router') : instance.role;
      return `${key} ${index}: ${instance.state}, ${place}`;
    });
  for (const { release: number, weight } of state?.table.weights ?? []) {
    if (weight > 0) found.push(`router: ${weight} % to release ${number}`);
  }
  const differences = [
    ...expected.filter((line) => !found.includes(line)).map((line) => `missing: ${line}`),
    ...found.filter((line) => !expected.includes(line)).map((line) => `not planned: ${line}`),
  ];
  return { equal: differences.length === 0, expected, found, differences };
}
