import type { Status } from '@towpath/wire';
import { TowpathError } from '../../kernel/index.ts';
import { readText } from '../../system/index.ts';
import { readLedger, type Client } from '../client.ts';
import type { Context, Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { numbered } from './watch.ts';

async function lastRollout(client: Client, context: Context): Promise<number> {
  const status = await client.get<Status>('/v1/status');
  const current = status.environments.find((view) => view.environment === context.environment)?.rollout?.id;
  if (current !== undefined) return current;
  let last: number | undefined;
  for await (const entry of readLedger(client, { environment: context.environment })) last = entry.rollout ?? last;
  if (last !== undefined) return last;
  throw new TowpathError('report.none', `${context.environment} has had no rollout yet`, {
    remedy: 'fix-input',
    hint: 'release something with `towpath deploy`',
  });
}

export const run: Handler = async (invocation, context) => {
  const client = await context.client();
  const rollout = numbered('rollout', invocation.args['rollout']) ?? (await lastRollout(client, context));
  const report = await client.get<{ markdown: string; html: string }>(`/v1/reports/${rollout}`);
  if (invocation.on('print') && !context.terminal.json) {
    context.terminal.raw((await readText(report.markdown)) ?? '');
    return EXIT.ok;
  }
  context.terminal.print(`report of rollout ${rollout}`, `  ${report.html}`, `  ${report.markdown}`);
  context.terminal.document({ rollout, ...report });
  return EXIT.ok;
};
