import { dockerCommand, listensOnPort, servingCommand } from './commands.ts';
import type { Notes, Reasoned } from './findings.ts';
import { at, text, type Sources } from './sources.ts';

export interface ProposedGroup {
  readonly name: string;
  readonly kind: 'web' | 'worker';
  readonly command: Reasoned<string>;
  readonly memory: Reasoned<string> | undefined;
  readonly stopTimeout: Reasoned<string> | undefined;
  /** web only */
  readonly instances: Reasoned<number> | undefined;
  readonly readiness: Reasoned<string> | undefined;
}

interface Named {
  readonly name: string;
  readonly command: string;
  readonly where: string;
  readonly web: boolean;
}

const WORKER_SCRIPTS = /^(?:start:)?(worker|workers|jobs|queue|consumer)(?::start)?$/;

/** A name as the config takes it. */
export const safeName = (name: string, fallback: string): string => {
  const safe = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 40);
  return safe === '' ? fallback : safe;
};

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

/** The process groups that the platform files name: fly.toml first, then the Procfile. */
function namedGroups(sources: Sources, notes: Notes): readonly Named[] {
  const fly = at(sources.fly, 'processes');
  if (typeof fly === 'object' && fly !== null) {
    const routed = [at(sources.fly, 'http_service'), ...listOf(at(sources.fly, 'services'))].flatMap((service) =>
      listOf(at(service, 'processes')),
    );
    const groups = Object.entries(fly).flatMap(([name, command]) =>
      typeof command === 'string' ? [[name, command] as const] : [],
    );
    const isWeb = (name: string): boolean =>
      routed.length > 0 ? routed.includes(name) : ['web', 'app'].includes(name) || groups.length === 1;
    return groups.map(([name, command]) => ({ name, command, where: `fly.toml processes.${name}`, web: isWeb(name) }));
  }
  return sources.procfile.flatMap(([name, command]): Named[] => {
    if (name === 'release') {
      notes.found.push({
        where: 'Procfile release',
        what: command,
        usedFor: 'not run: Towpath runs the SQL migrations itself, once',
      });
      return [];
    }
    return [{ name, command, where: `Procfile ${name}`, web: name === 'web' }];
  });
}

/** The one process of an app that names none. */
function singleGroup(sources: Sources, notes: Notes): Named | undefined {
  const scripts = sources.packageJson?.scripts ?? {};
  const docker = sources.dockerfile === undefined ? undefined : dockerCommand(sources.dockerfile);
  if (docker !== undefined) return { name: 'web', command: docker, where: 'Dockerfile CMD', web: true };
  const start = ['start:prod', 'start', 'serve'].find((name) => scripts[name] !== undefined);
  if (start !== undefined) {
    const { name } = sources.packageManager;
    const command = start === 'start' ? `${name} start` : `${name} run ${start}`;
    return { name: 'web', command, where: `package.json scripts.${start}`, web: true };
  }
  const entry = sources.packageJson?.main ?? sources.entries[0]?.[0];
  if (entry !== undefined) {
    const where = sources.packageJson?.main === undefined ? entry : 'package.json main';
    return { name: 'web', command: `node ${entry}`, where, web: true };
  }
  notes.unknown.push({
    what: 'how the app is started',
    assumed: 'node server.js stands in the config; put the right command there',
    blocking: true,
  });
  return undefined;
}

function readinessPath(sources: Sources, notes: Notes): Reasoned<string> {
  const service = at(sources.fly, 'http_service');
  const checks = [
    ...listOf(at(service, 'checks')),
    ...listOf(at(sources.fly, 'services')).flatMap((each) => listOf(at(each, 'http_checks'))),
    ...Object.values(Object(at(sources.fly, 'checks') ?? {})),
  ];
  const fly = checks.map((check) => text(at(check, 'path'))).find((path) => path?.startsWith('/'));
  if (fly !== undefined) return found(fly, 'fly.toml', `health check ${fly}`, notes);
  const docker = /^\s*HEALTHCHECK\b[^\n]*?(?:\\\n[^\n]*?)*?https?:\/\/[^/\s"']+(\/[^\s"'|)]*)/im.exec(
    sources.dockerfile ?? '',
  )?.[1];
  if (docker !== undefined) return found(docker, 'Dockerfile', `HEALTHCHECK ${docker}`, notes);
  for (const [file, content] of sources.entries) {
    const route = /['"`](\/(?:api\/)?(?:ready|readyz|healthz?|healthcheck|livez|up|ping|_health))['"`]/.exec(
      content,
    )?.[1];
    if (route !== undefined) return found(route, file, `route ${route}`, notes);
  }
  notes.unknown.push({
    what: 'which path tells that the app is ready',
    assumed: '/ is asked and must answer 2xx; better is a route that also looks at the database',
    blocking: false,
  });
  return { value: '/', because: 'no health route was found: must answer 2xx' };
}

function found(value: string, where: string, what: string, notes: Notes): Reasoned<string> {
  notes.found.push({ where, what, usedFor: 'readiness of web' });
  return { value, because: where };
}

/** Fly's presets that name no memory. */
const PRESET_MB: readonly (readonly [RegExp, number])[] = [
  [/^shared-cpu-(\d+)x$/, 256],
  [/^performance-(\d+)x$/, 2048],
];

function memoryOf(name: string, sources: Sources, notes: Notes): Reasoned<string> | undefined {
  const machines = listOf(at(sources.fly, 'vm'));
  const vm =
    machines.find((each) => listOf(at(each, 'processes')).includes(name)) ??
    machines.find((each) => at(each, 'processes') === undefined);
  const written = at(vm, 'memory') ?? at(vm, 'memory_mb');
  let mb: number | undefined;
  if (typeof written === 'number') mb = written;
  const [, amount, unit] = /^(\d+)\s*(mb|gb)?$/i.exec(text(written) ?? '') ?? [];
  if (amount !== undefined) mb = Number(amount) * (unit?.toLowerCase() === 'gb' ? 1024 : 1);
  const size = text(at(vm, 'size')) ?? '';
  for (const [pattern, each] of PRESET_MB) {
    const cpus = pattern.exec(size)?.[1];
    if (mb === undefined && cpus !== undefined) mb = Number(cpus) * each;
  }
  if (mb === undefined || mb < 1) return undefined;
  notes.found.push({ where: 'fly.toml vm', what: `${mb} MB`, usedFor: `memory of ${name}` });
  return { value: `${mb}mb`, because: 'fly.toml vm' };
}

function stopTimeoutOf(sources: Sources): Reasoned<string> | undefined {
  const written = at(sources.fly, 'kill_timeout');
  const seconds = typeof written === 'number' ? written : Number(/^(\d+)s?$/.exec(text(written) ?? '')?.[1] ?? 0);
  return seconds > 0 ? { value: `${seconds}s`, because: 'fly.toml kill_timeout' } : undefined;
}

function instancesOf(sources: Sources): Reasoned<number> | undefined {
  const least = at(sources.fly, 'http_service', 'min_machines_running');
  return typeof least === 'number' && least > 1 && least <= 50
    ? { value: least, because: 'fly.toml min_machines_running' }
    : undefined;
}

/** Which process groups the app has. Without a sign of one, a web group with a command to be filled in. */
export function proposeGroups(sources: Sources, notes: Notes): readonly ProposedGroup[] {
  let named = namedGroups(sources, notes);
  if (!named.some((group) => group.web)) {
    const single = singleGroup(sources, notes) ?? {
      name: 'web',
      command: 'node server.js',
      where: 'a guess',
      web: true,
    };
    named = [single, ...named];
  }
  if (named.length === 1) {
    const scripts = Object.keys(sources.packageJson?.scripts ?? {}).filter((name) => WORKER_SCRIPTS.test(name));
    for (const script of scripts.slice(0, 1)) {
      const command = `${sources.packageManager.name} run ${script}`;
      named = [
        ...named,
        {
          name: WORKER_SCRIPTS.exec(script)?.[1] ?? 'worker',
          command,
          where: `package.json scripts.${script}`,
          web: false,
        },
      ];
    }
  }
  const taken = new Set<string>();
  return named.map((group) => {
    const name = safeName(group.name === 'app' && group.web ? 'web' : group.name, group.web ? 'web' : 'worker');
    const unique = taken.has(name) ? `${name}-${taken.size + 1}` : name;
    taken.add(unique);
    const command = servingCommand(group.command, sources, group.where, notes);
    if (group.where !== 'a guess')
      notes.found.push({ where: group.where, what: command, usedFor: `command of ${unique}` });
    if (/cron|clock|schedule/i.test(group.name) && !group.web) {
      notes.unknown.push({
        what: `whether ${unique} keeps time itself`,
        assumed: 'it is a worker here; a job that runs and ends is better as kind: "cron" with a schedule',
        blocking: false,
      });
    }
    if (group.web && !listensOnPort(command, sources)) {
      notes.unknown.push({
        what: 'whether the app listens on the port in PORT',
        assumed: 'it must: two releases run side by side, each instance on a port of its own',
        blocking: false,
      });
    }
    return {
      name: unique,
      kind: group.web ? 'web' : 'worker',
      command: { value: command, because: group.where },
      memory: memoryOf(group.name, sources, notes),
      stopTimeout: stopTimeoutOf(sources),
      instances: group.web ? instancesOf(sources) : undefined,
      readiness: group.web ? readinessPath(sources, notes) : undefined,
    };
  });
}
