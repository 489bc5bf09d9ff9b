import type { RolloutRequest, RolloutView, Status } from '@towpath/wire';
import type { Client } from '../client.ts';
import type { Context, Handler, Invocation } from '../command.ts';
import { EXIT } from '../exit.ts';
import { renderStatus, underWay } from '../render/status.ts';
import { chooseSource } from './source.ts';
import { watchRollout } from './watch.ts';

/** Releases the app when nothing serves; joins a rollout that is under way. @returns undefined when it serves */
async function firstRelease(
  status: Status,
  invocation: Invocation,
  context: Context,
  client: Client,
): Promise<number | undefined> {
  const view = status.environments.find((entry) => entry.environment === context.environment);
  const running = view === undefined ? undefined : underWay(view);
  if (view?.serving !== null && view?.serving !== undefined) return undefined;
  if (running !== undefined) return running.id;
  if (invocation.on('no-deploy')) return undefined;
  const request: RolloutRequest = {
    environment: context.environment,
    source: await chooseSource(invocation, context),
    reason: 'deploy',
    actor: context.actor,
    wait: false,
    resumeDeploys: false,
  };
  return (await client.post<RolloutView>('/v1/rollouts', request)).id;
}

export const run: Handler = async (invocation, context) => {
  const { terminal, needs } = context;
  const { root, file } = await context.project();
  const stop = new AbortController();
  const offInterrupt = needs.onInterrupt(() => stop.abort(new Error('interrupted')));
  const answer = await needs
    .up({
      root,
      file,
      environment: context.environment,
      say: (line) => terminal.print(`  ${terminal.paint.dim('●')} ${line}`),
      signal: stop.signal,
    })
    .finally(offInterrupt);
  if (answer.started.length === 0) terminal.print(`  ${terminal.paint.green('✓')} everything runs already`);
  const client = await context.client();
  let status = await client.get<Status>('/v1/status');
  const rollout = await firstRelease(status, invocation, context, client);
  let exit: number = EXIT.ok;
  if (rollout !== undefined && !invocation.on('no-follow')) {
    exit = await watchRollout(rollout, ['promoted'], client, context);
    status = await client.get<Status>('/v1/status');
  }
  terminal.print('', ...renderStatus(status, { columns: terminal.columns, now: needs.now(), paint: terminal.paint }));
  terminal.document({ started: answer.started, running: answer.running, rollout: rollout ?? null, status });
  return exit;
};
