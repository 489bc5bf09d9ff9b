import type { Plan, PlanRequest } from '@towpath/wire';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { renderPlan } from '../render/plan.ts';
import { chooseSource } from './source.ts';
import { numbered } from './watch.ts';

export const run: Handler = async (invocation, context) => {
  const back = numbered('release', invocation.text('rollback'));
  const request: PlanRequest =
    back === undefined
      ? { environment: context.environment, source: await chooseSource(invocation, context), reason: 'deploy' }
      : { environment: context.environment, source: { kind: 'release', release: back }, reason: 'rollback' };
  const client = await context.client();
  context.terminal.note('  building, to plan what would really be released');
  const plan = await client.post<Plan>('/v1/plans', request);
  context.terminal.print(...renderPlan(plan, context.terminal.columns, context.terminal.paint));
  context.terminal.document(plan);
  return EXIT.ok;
};
