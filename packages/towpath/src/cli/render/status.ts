import type { EnvironmentView, RolloutView, Status } from '@towpath/wire';
import { formatDuration } from '../../kernel/index.ts';
import { betweenReleases, trafficBar, type Canvas } from './timeline.ts';
import { ends, padEnd, share, table, wrap } from './text.ts';

const ago = (at: string, now: number): string =>
  formatDuration(Math.max(0, Math.floor((now - Date.parse(at)) / 1000) * 1000))
    .replace('.0s', 's')
    .replace(/^0ms$/, '0s');

const ended = (rollout: RolloutView): boolean =>
  rollout.status === 'promoted' || rollout.status === 'rolled-back' || rollout.status === 'failed';

/** The rollout that is under way, if one is. */
export const underWay = (environment: EnvironmentView): RolloutView | undefined =>
  environment.rollout === null || ended(environment.rollout) ? undefined : environment.rollout;

/** The command a person most likely wants now. */
export function nextCommand(environment: EnvironmentView): string {
  const suffix = environment.environment === 'local' ? '' : ` -e ${environment.environment}`;
  const rollout = underWay(environment);
  if (rollout?.paused) return `towpath resume${suffix}`;
  if (rollout?.phase.includes('bake')) return `towpath promote${suffix}`;
  if (rollout !== undefined) return `towpath logs -f${suffix}`;
  if (environment.deploysPaused !== null) return `towpath report${suffix}`;
  return `towpath deploy${suffix}`;
}

function environmentLines(environment: EnvironmentView, canvas: Canvas): readonly string[] {
  const { columns, paint, now } = canvas;
  const row = (name: string, text: string): string => `  ${paint.dim(padEnd(name, 9))} ${text}`;
  const rollout = underWay(environment);
  const [name, url] = ends(environment.environment, environment.url ?? 'no URL yet', columns - 2);
  const lines = ['', `  ${paint.bold(name)}${paint.cyan(url)}`];
  lines.push(row('serving', environment.serving === null ? 'nothing yet' : `release ${environment.serving}`));
  const weights = environment.weights.filter((weight) => weight.weight > 0);
  if (weights.length > 0) {
    const label = weights.map((weight) => `r${weight.release} ${share(weight.weight)}`).join('  ');
    const width = Math.min(50, columns - 14 - label.length);
    const candidate = rollout?.to ?? environment.serving ?? undefined;
    lines.push(row('traffic', `${width >= 10 ? `${trafficBar(weights, candidate, width, paint)}  ` : ''}${label}`));
  }
  if (rollout !== undefined) {
    const state = rollout.paused ? 'paused' : rollout.status;
    const where = `${rollout.id}: ${betweenReleases(rollout.from, rollout.to)}, for ${ago(rollout.startedAt, now)}, by ${rollout.actor}, ${state}`;
    const [first = '', ...rest] = wrap(`${where}: ${rollout.phase || 'waiting'}`, columns - 14);
    lines.push(row('rollout', first), ...rest.map((text) => row('', text)));
  }
  if (environment.router !== null && environment.router.lostAtRestart > 0) {
    lines.push(row('router', `${environment.router.lostAtRestart} requests were lost when it was killed`));
  }
  if (environment.instances.length > 0) {
    lines.push(
      '',
      ...table(
        ['release', 'group', 'instance', 'state', 'role', 'port', 'note'],
        environment.instances.map((instance) => [
          `r${instance.release}`,
          instance.group,
          instance.id,
          instance.state,
          instance.role,
          instance.port === null ? '' : String(instance.port),
          [
            instance.healthy === false ? 'unhealthy' : '',
            instance.restarts > 0 ? `${instance.restarts} restarts` : '',
            instance.lastExit ?? '',
          ]
            .filter((part) => part !== '')
            .join(', '),
        ]),
        columns - 2,
        paint.dim,
      ).map((line) => `  ${line}`),
    );
  }
  for (const { message, hint } of environment.trouble) {
    lines.push('', ...wrap(`! ${message}`, columns - 4).map((text) => `  ${paint.yellow(text)}`));
    lines.push(...wrap(hint, columns - 6).map((text) => `    ${paint.dim(text)}`));
  }
  if (environment.deploysPaused !== null) {
    lines.push(
      '',
      ...wrap(`! deploys are paused: ${environment.deploysPaused}`, columns - 4).map(
        (text) => `  ${paint.yellow(text)}`,
      ),
    );
    lines.push(`    ${paint.dim('`towpath resume` allows them again')}`);
  }
  lines.push('', `  ${paint.cyan('→')} ${nextCommand(environment)}`);
  return lines;
}

/** A screen that answers: what serves, at what share, what is under way, what next. Pure. */
export function renderStatus(status: Status, canvas: Canvas): readonly string[] {
  const { columns, paint, now } = canvas;
  const [app, control] = ends(
    status.app,
    `control plane ${status.control.version}, pid ${status.control.pid}, up ${ago(status.control.startedAt, now)}`,
    columns - 2,
  );
  return [
    `  ${paint.bold(app)}${paint.dim(control)}`,
    ...status.environments.flatMap((environment) => environmentLines(environment, canvas)),
  ];
}
