import type { EvidenceCheck, LedgerEntry } from '@towpath/wire';
import { readLedger } from '../client.ts';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { clockTime, plainLine } from '../render/plain.ts';
import { count } from '../render/text.ts';
import { numbered } from './watch.ts';

export const verify: Handler = async (_, context) => {
  const { terminal } = context;
  const check = await (await context.client()).get<EvidenceCheck>('/v1/evidence/verify');
  terminal.document(check);
  if (check.intact) {
    terminal.print(
      `${terminal.paint.green('✓')} ${count(check.rows)} rows, every one intact and in its place`,
      `  head ${check.head ?? 'none'}`,
    );
    return EXIT.ok;
  }
  terminal.print(
    `${terminal.paint.red('✗')} the ledger was tampered with: ${check.problems.length} of ${count(check.rows)} rows do not hold`,
    ...check.problems.slice(0, 20).map((problem) => `  row ${problem.seq}: ${problem.problem}`),
    ...(check.problems.length > 20 ? [`  and ${check.problems.length - 20} more`] : []),
    `  ${terminal.paint.cyan('→')} find out who wrote to the schema towpath; what was proven before row ${check.problems[0]?.seq ?? '?'} still stands`,
  );
  return EXIT.failed;
};

export const show: Handler = async (invocation, context) => {
  const { terminal } = context;
  const query = {
    rollout: numbered('rollout', invocation.text('rollout')),
    environment: context.environmentGiven ? context.environment : undefined,
    after: invocation.integer('after'),
  };
  const entries: LedgerEntry[] = [];
  for await (const entry of readLedger(await context.client(), query)) {
    if (terminal.json) entries.push(entry);
    const line = plainLine(entry) ?? `${clockTime(entry.at)}    ${entry.kind} ${JSON.stringify(entry.body)}`;
    terminal.print(`${terminal.paint.dim(String(entry.seq).padStart(6))}  ${line}`);
  }
  terminal.document({ entries });
  return EXIT.ok;
};
