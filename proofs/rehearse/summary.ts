import type { Kept, Observed } from './promises.ts';
import type { Paint } from './screen.ts';

const count = (n: number): string => n.toLocaleString('en');
const seconds = (ms: number): string => (Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : 'not measured');

/** The end of a rehearsal: when something is broken, why comes first. */
export function summary(seen: Observed, kept: readonly Kept[], report: string, paint: Paint): readonly string[] {
  const broken = kept.filter(({ ok }) => !ok);
  const mark = (...promises: readonly Kept['promise'][]): string =>
    broken.some(({ promise }) => promises.includes(promise)) ? paint.red('✗') : paint.green('✓');
  const { requests, rollback, jobs, ticks } = seen;
  return [
    '',
    ...broken.map(({ promise, reason }) => paint.red(`FAILED  ${reason} (${promise})`)),
    ...(broken.length > 0 ? [''] : []),
    `${mark('lost-request')} requests  ${paint.bold(count(requests.sent))} sent, ${paint.bold(count(requests.lost))} lost` +
      `  (planted failures served by v3-bad before it was taken back: ${requests.planted})`,
    ...(requests.notSent === 0
      ? []
      : [
          `  ${paint.yellow('!')}         ${count(requests.notSent)} more were due and not sent: this machine was too busy to keep up`,
        ]),
    `${mark('slow-rollback')} rollback  ${paint.bold(seconds(rollback.byItself))} by itself, from v3-bad's first failure; ` +
      `${paint.bold(seconds(rollback.byHand))} by hand, from the command`,
    `${mark('duplicate-job', 'lost-job')} jobs      ${count(jobs.approved)} actions approved, ` +
      `${paint.bold(String(jobs.duplicate))} duplicate, ${paint.bold(String(jobs.lost))} lost at the Shopify simulator`,
    `${mark('duplicate-tick', 'lost-tick')} ticks     ${count(ticks.due)} due by the clock, ` +
      `${paint.bold(String(ticks.duplicate))} duplicate, ${paint.bold(String(ticks.lost))} lost`,
    `${mark('never-ready-gets-request')} v4-bad    never ready, ${paint.bold(String(seen.neverReadyRequests))} requests reached it`,
    `${mark('census', 'outcome')} census    ${seen.census.length === 0 ? 'processes, router and control plane are as planned' : `${seen.census.length} differences`}`,
    `${mark('tampered-ledger')} ledger    ${count(seen.ledger.rows)} rows, ${seen.ledger.problems.length === 0 ? 'the chain is intact' : 'the chain is broken'}`,
    '',
    `  report  ${paint.cyan(report)}`,
  ];
}
