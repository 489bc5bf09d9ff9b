import type { RolloutRequest, RolloutView } from '@towpath/wire';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { chooseSource } from './source.ts';
import { watchRollout } from './watch.ts';

export const run: Handler = async (invocation, context) => {
  const source = await chooseSource(invocation, context);
  const client = await context.client();
  const plan = invocation.text('plan');
  const request: RolloutRequest = {
    environment: context.environment,
    source,
    reason: 'deploy',
    actor: context.actor,
    wait: invocation.on('wait'),
    resumeDeploys: invocation.on('resume-deploys'),
    ...(plan === undefined ? {} : { plan }),
  };
  if (context.terminal.live) context.terminal.note('  building; Ctrl-C stops it');
  const view = await client.post<RolloutView>('/v1/rollouts', request);
  if (!invocation.on('no-follow')) return await watchRollout(view.id, ['promoted'], client, context);
  context.terminal.print(`rollout ${view.id} of release ${view.to} has begun`, '  → `towpath status` shows it');
  context.terminal.document(view);
  return EXIT.ok;
};
