import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Project } from './project.ts';

/** Processes of the app's long-running instances that this machine really has, by /proc, whatever any record says. */
export function instanceProcesses(
  dir: string,
): readonly { readonly pid: number; readonly release: string; readonly group: string }[] {
  const seen = new Map<string, { pid: number; release: string; group: string }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const env = new Map(
        readFileSync(`/proc/${name}/environ`, 'utf8')
          .split('\0')
          .map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      const instance = env.get('TOWPATH_INSTANCE');
      if (instance === undefined || !(env.get('TOWPATH_CONTROL_FILE') ?? '').startsWith(path.join(dir, '.towpath')))
        continue;
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) continue;
      // A shell and its child are one instance.
      if (!seen.has(instance)) {
        seen.set(instance, {
          pid: Number(name),
          release: env.get('TOWPATH_RELEASE') ?? '',
          group: env.get('TOWPATH_GROUP') ?? '',
        });
      }
    } catch {
      // It ended while we looked.
    }
  }
  return [...seen.values()];
}

/**
 * What is wrong with the world at rest: anything but exactly one release serving with its web and worker
 * instance, in the control plane's view, in the router's and in the machine's own process list.
 */
export async function wrongAtRest(
  project: Project,
  expected: { readonly release: number },
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const here = await project.here();
  if (here.serving !== expected.release)
    wrong.push(`release ${here.serving} is meant to serve, not ${expected.release}`);
  const weights = here.weights.map(({ release, weight }) => `${release}:${weight}`).join(' ');
  if (weights !== `${expected.release}:100`) wrong.push(`the router sends ${weights || 'nothing'}`);
  const lasting = here.instances.filter((one) => one.kind !== 'cron');
  const listed = lasting
    .map((one) => `${one.release} ${one.group} ${one.state} ${one.role}`)
    .sort()
    .join(', ');
  const wanted = `${expected.release} web running active, ${expected.release} worker running active`;
  if (listed !== wanted) wrong.push(`instances: ${listed || 'none'}`);
  const processes = instanceProcesses(project.dir)
    .filter((one) => one.group === 'web' || one.group === 'worker')
    .map((one) => `${one.release} ${one.group}`)
    .sort()
    .join(', ');
  if (processes !== `${expected.release} web, ${expected.release} worker`)
    wrong.push(`processes: ${processes || 'none'}`);
  return wrong;
}
