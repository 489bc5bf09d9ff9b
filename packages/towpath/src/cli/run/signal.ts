import type { RolloutView, SignalAnswer, SignalRequest } from '@towpath/wire';
import type { Context, Handler, Invocation } from '../command.ts';
import { EXIT } from '../exit.ts';
import type { Client } from '../client.ts';
import { numbered, watchRollout } from './watch.ts';

type Signal = SignalRequest['signal'];

async function send(name: Signal, invocation: Invocation, context: Context, client: Client): Promise<SignalAnswer> {
  const release = name === 'rollback' ? numbered('release', invocation.args['release']) : undefined;
  const request: SignalRequest = {
    signal: name,
    actor: context.actor,
    reason: invocation.text('reason') ?? '',
    ...(release === undefined ? {} : { release }),
  };
  const environment = encodeURIComponent(context.environment);
  return await client.post<SignalAnswer>(`/v1/environments/${environment}/signals`, request);
}

/** promote, pause, resume: say it and return. */
export const signal =
  (name: Signal): Handler =>
  async (invocation, context) => {
    const answer = await send(name, invocation, context, await context.client());
    context.terminal.print(answer.answer);
    context.terminal.document(answer);
    return EXIT.ok;
  };

const sendAndWatch =
  (name: Signal): Handler =>
  async (invocation, context) => {
    const client = await context.client();
    const answer = await send(name, invocation, context, client);
    context.terminal.print(answer.answer);
    if (answer.rollout === null || invocation.on('no-follow')) {
      context.terminal.document(answer);
      return EXIT.ok;
    }
    const view = await client.get<RolloutView>(`/v1/rollouts/${answer.rollout}`);
    // A rollout back to an old release is good when promoted; one that is taken back, when it is back.
    const good = view.reason === 'rollback' && name === 'rollback' ? 'promoted' : 'rolled-back';
    return await watchRollout(answer.rollout, [good], client, context);
  };

export const rollback: Handler = sendAndWatch('rollback');
export const abort: Handler = sendAndWatch('abort');
