import type { Plan } from '@towpath/wire';
import type { Paint } from '../terminal.ts';
import { betweenReleases } from './timeline.ts';
import { padEnd, wrap } from './text.ts';

/** What would be done, in order, with each way back. Pure. */
export function renderPlan(plan: Plan, columns: number, paint: Paint): readonly string[] {
  const width = columns - 8;
  const row = (name: string, text: string): string => `  ${paint.dim(padEnd(name, 11))} ${text}`;
  return [
    `  ${paint.bold(`${plan.environment} · ${plan.reason === 'rollback' ? 'back to ' : ''}${betweenReleases(plan.from, plan.to)}`)}`,
    '',
    row('artifact', plan.artifact),
    row(
      'migrations',
      plan.migrations.length === 0 ? 'none' : plan.migrations.map((migration) => migration.name).join(', '),
    ),
    row('extra', `${plan.extra.instances} instances, ${plan.extra.memoryMb} MB while both releases run`),
    '',
    ...plan.steps.flatMap((step, i) => [
      ...wrap(`${String(i + 1).padStart(2)}. ${step.title}`, width + 2).map((line, j) =>
        j === 0 ? `  ${line}` : `      ${line}`,
      ),
      ...wrap(`undo: ${step.undo}`, width).map((line) => `      ${paint.dim(line)}`),
    ]),
    ...(plan.pointsOfNoReturn.length === 0
      ? ['', '  Every step can be taken back.']
      : [
          '',
          `  ${paint.yellow('Points of no return')}`,
          ...plan.pointsOfNoReturn.flatMap((text) =>
            wrap(text, width).map((line, i) => `    ${i === 0 ? '! ' : '  '}${line}`),
          ),
        ]),
    ...(plan.warnings.length === 0
      ? []
      : [
          '',
          `  ${paint.yellow('Warnings')}`,
          ...plan.warnings.flatMap((text) => wrap(text, width).map((line, i) => `    ${i === 0 ? '! ' : '  '}${line}`)),
        ]),
    '',
    `  plan ${paint.bold(plan.hash)}`,
    `  ${paint.cyan('→')} towpath ${plan.reason === 'rollback' ? `rollback ${plan.to}` : `deploy --plan ${plan.hash}`}`,
  ];
}
