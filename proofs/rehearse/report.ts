import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import {
  createLedger,
  renderReports,
  type ReportFigure,
  type ReportGroup,
} from '../../packages/towpath/src/evidence/index.ts';
import type { Act } from './acts.ts';
import { ROLLBACK_MS, type Kept } from './promises.ts';
import type { Rehearsed } from './rehearsal.ts';
import type { Stage } from './stage.ts';

/** Writes the rehearsal's one page, as HTML and as Markdown. @returns the path of the HTML */
export async function writeReport(
  stage: Stage,
  { acts, seen }: Rehearsed,
  kept: readonly Kept[],
  folder: string,
): Promise<string> {
  const ledger = createLedger({ database: await stage.controlDatabase(), now: Date.now });
  const figure = ({ label, value, unit, limit, ok, source }: Kept): ReportFigure => ({
    label, value, unit, ok, source, bound: { is: unit === 'ms' ? 'at most' : 'exactly', limit },
  }); // prettier-ignore
  const rollback = (label: string, value: number, source: string): ReportFigure => ({
    label,
    value: Math.round(value),
    unit: 'ms',
    bound: { is: 'at most', limit: ROLLBACK_MS },
    ok: value <= ROLLBACK_MS,
    source,
  });
  const own = (act: Act): readonly ReportFigure[] => {
    switch (act.kind) {
      case 'taken-back':
        return [rollback('first failure until back at 0 %', seen.rollback.byItself, 'clients, ledger')];
      case 'by-hand':
        return [rollback('command until the old one serves', seen.rollback.byHand, 'clock, ledger')];
      case 'never-ready':
        return kept.filter(({ promise }) => promise === 'never-ready-gets-request').map(figure);
      case 'first':
      case 'good':
        return [];
    }
  };
  const groups: ReportGroup[] = [
    {
      title: 'The whole run',
      promise: 'Nothing is lost and nothing happens twice, from the first request to the last.',
      entries: [],
      figures: kept
        .filter(({ promise }) => promise !== 'slow-rollback' && promise !== 'never-ready-gets-request')
        .map(figure),
    },
  ];
  for (const act of acts) {
    groups.push({
      title: act.title,
      promise: act.promise,
      entries: await ledger.story(act.view.id),
      figures: own(act),
    });
  }
  const { requests, jobs, ticks } = seen;
  const { html, markdown } = renderReports(groups, {
    title: 'Rehearsal of growth',
    note:
      `${requests.sent.toLocaleString('en')} requests, ${jobs.approved} approved actions and ${ticks.due} cron ticks on one machine with ` +
      `${availableParallelism()} cores, Node ${process.versions.node}. v3-bad itself answered ${requests.planted} requests ` +
      'with its planted failure before it was taken back; they are not counted as lost.',
  });
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'report.md'), markdown);
  const file = path.join(folder, 'report.html');
  await writeFile(file, html);
  return file;
}
