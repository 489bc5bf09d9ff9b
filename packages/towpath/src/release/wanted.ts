import type { Config, ProcessGroup, WebGroup, WorkerGroup } from '../config/index.ts';
import { TowpathError, type Role, type Scope, type Secret } from '../kernel/index.ts';
import type { InstanceSpec } from '../providers/index.ts';
import type { Release } from './model.ts';

const SHELL = /[|&;<>()$`\\"'*?#~=%\n]/;

/** The argv of a command: an argv as it is, a plain line split at spaces, anything else given to sh. */
export function argvOf(command: ProcessGroup['command']): readonly [string, ...string[]] {
  const [file, ...rest] =
    typeof command === 'string' ? (SHELL.test(command) ? ['sh', '-c', command] : command.trim().split(/\s+/)) : command;
  return [file ?? '', ...rest];
}

export interface NamedGroup<G extends ProcessGroup> {
  readonly name: string;
  readonly group: G;
}

/** The one group behind the router, if the app has one. @throws TowpathError `plan.one_web_group` */
export function webGroup(config: Config): NamedGroup<WebGroup> | undefined {
  const found: NamedGroup<WebGroup>[] = [];
  for (const [name, group] of Object.entries(config.processes)) if (group.kind === 'web') found.push({ name, group });
  if (found.length > 1) {
    throw new TowpathError('plan.one_web_group', `${found.map((web) => web.name).join(' and ')} are both web groups`, {
      remedy: 'fix-input',
      hint: 'make one of them a worker, or deploy it as an app of its own: one router serves one web group',
    });
  }
  return found[0];
}

export function workerGroups(config: Config): readonly NamedGroup<WorkerGroup>[] {
  const found: NamedGroup<WorkerGroup>[] = [];
  for (const [name, group] of Object.entries(config.processes))
    if (group.kind === 'worker') found.push({ name, group });
  return found;
}

/** Names an instance: release, group, number, and the run that first wanted it. */
export const tokenOf = (release: number, group: string, index: number, run: number): string =>
  `r${release}.${group}.${index}.x${run}`;

/** What the instance of a web or worker group is made of. */
export const specOf = (
  scope: Scope,
  release: Release,
  run: number,
  name: string,
  index: number,
  role: Role,
  values: Readonly<Record<string, string | Secret>>,
): InstanceSpec => instanceSpec(scope, release, name, tokenOf(release.number, name, index, run), role, values);

/** What any instance of a release is made of, under a token of the caller's. */
export function instanceSpec(
  scope: Scope,
  release: Release,
  name: string,
  token: string,
  role: Role,
  values: Readonly<Record<string, string | Secret>>,
): InstanceSpec {
  const group = release.config.processes[name];
  if (group === undefined) {
    throw new TowpathError('release.unknown_group', `release ${release.number} has no process group ${name}`, {
      remedy: 'halt',
      hint: 'see `towpath config check` for the groups there are',
    });
  }
  return {
    token,
    scope,
    release: release.number,
    group: name,
    kind: group.kind,
    artifact: { digest: release.artifact, location: release.location },
    command: argvOf(group.command),
    env: {
      NODE_ENV: 'production',
      ...release.config.environments[scope.environment]?.env,
      ...group.env,
      ...values,
    },
    memoryMb: group.memory,
    restart: group.kind === 'cron' ? 'never' : group.restart,
    stopTimeoutMs: group.stopTimeout,
    ...(group.kind === 'web' ? { port: group.port ?? 0 } : {}),
    role,
  };
}

/** Every long-running instance that a release is meant to have. */
export function wantedOf(
  config: Config,
): readonly { readonly group: string; readonly index: number; readonly kind: 'web' | 'worker' }[] {
  return Object.entries(config.processes).flatMap(([name, group]) =>
    group.kind === 'cron'
      ? []
      : Array.from({ length: group.instances }, (_, index) => ({ group: name, index, kind: group.kind })),
  );
}
