import { formatDuration } from '../../kernel/index.ts';
import type { Paint } from '../terminal.ts';
import type { RolloutState, StepState } from './rollout-state.ts';
import { clip, count, ends, padEnd, padStart, share, wrap } from './text.ts';

export interface Canvas {
  readonly columns: number;
  /** ms since the epoch */
  readonly now: number;
  readonly paint: Paint;
}

const MARK: Readonly<Record<StepState['state'], string>> = {
  pending: '·',
  doing: '●',
  done: '✓',
  undoing: '●',
  undone: '↩',
  failed: '✗',
};

function dress(state: StepState['state'], paint: Paint): (text: string) => string {
  switch (state) {
    case 'pending':
      return paint.dim;
    case 'doing':
      return paint.blue;
    case 'done':
      return paint.green;
    case 'undoing':
    case 'undone':
      return paint.yellow;
    case 'failed':
      return paint.red;
  }
}

/** Milliseconds in whole seconds while something runs, so that a redraw changes no more than it must. */
const ticking = (ms: number): string =>
  formatDuration(Math.max(0, Math.floor(ms / 1000) * 1000))
    .replace('0ms', '0s')
    .replace('.0s', 's');

function stepLines(step: StepState, canvas: Canvas): readonly string[] {
  const { paint, columns, now } = canvas;
  const active = step.state === 'doing' || step.state === 'undoing';
  let time = '';
  if (step.state === 'done' || step.state === 'undone' || step.state === 'failed')
    time = step.ms === undefined ? '' : formatDuration(step.ms);
  else if (active && step.since !== undefined) time = ticking(now - step.since);
  const label = `${step.state === 'undoing' || step.state === 'undone' ? 'undo ' : ''}${step.title}`;
  const [left, right] = ends(label, time, columns - 4);
  const colour = dress(step.state, paint);
  const title = active ? paint.bold(left) : step.state === 'pending' ? paint.dim(left) : left;
  const line = `  ${colour(MARK[step.state])} ${title}${paint.dim(right)}`;
  if (step.state !== 'failed' || step.remark === '') return [line];
  return [line, ...wrap(step.remark, columns - 6).map((text) => `      ${paint.red(text)}`)];
}

/** The new release's share is drawn solid, the old one's light; readable without colours. */
export function trafficBar(
  weights: RolloutState['weights'],
  candidate: number | undefined,
  width: number,
  paint: Paint,
): string {
  const shown = weights.filter((weight) => weight.weight > 0);
  let used = 0;
  let total = 0;
  return shown
    .map((weight, i) => {
      total += weight.weight;
      // Round the running sum, so that the parts fill the bar exactly; what is above 0 gets a cell.
      const after = shown.length - 1 - i;
      const until = Math.min(Math.max(used + 1, Math.round((total / 100) * width)), width - after);
      const cells = until - used;
      used += cells;
      return weight.release === candidate ? paint.cyan('█'.repeat(cells)) : paint.dim('░'.repeat(cells));
    })
    .join('');
}

const milliseconds = (us: number): string => (us < 10_000 ? (us / 1000).toFixed(1) : String(Math.round(us / 1000)));

function trafficLines(state: RolloutState, canvas: Canvas): readonly string[] {
  const { paint, columns } = canvas;
  const lines: string[] = [];
  if (state.weights.length > 0) {
    const label = state.weights
      .filter((weight) => weight.weight > 0)
      .map((weight) => `r${weight.release} ${share(weight.weight)}`)
      .join('  ');
    const width = Math.min(50, columns - 12 - label.length - 2);
    const bar = width >= 10 ? `${trafficBar(state.weights, state.to, width, paint)}  ` : '';
    lines.push(`  ${padEnd('traffic', 9)} ${bar}${label}`);
  }
  const wide = columns >= 56;
  for (const entry of state.traffic) {
    const failed = `${count(entry.failures)} failed`;
    const p99 = wide && entry.p99Us !== undefined ? `   p99 ${milliseconds(entry.p99Us)} ms` : '';
    const requests = wide ? `${padStart(count(entry.requests), 9)} requests  ` : padStart(count(entry.requests), 7);
    lines.push(
      `  ${padEnd(`r${entry.release}`, 9)} ${requests} ${entry.failures > 0 ? paint.red(failed) : paint.dim(failed)}${paint.dim(p99)}`,
    );
  }
  return lines;
}

const verdictColour = (kind: string, paint: Paint): ((text: string) => string) =>
  kind === 'healthy' ? paint.green : kind === 'regressed' ? paint.red : paint.yellow;

/** `release 12 → 13`, or `release 13` when there was none before. */
export const betweenReleases = (from: number | undefined | null, to: number | undefined): string =>
  typeof from === 'number' && from !== to ? `release ${from} → ${to ?? '?'}` : `release ${to ?? '…'}`;

/** Everything a person watching a rollout wants to see, as lines that fit the columns. Pure. */
export function renderTimeline(state: RolloutState, canvas: Canvas): readonly string[] {
  const { paint, columns, now } = canvas;
  const elapsed = state.startedAt === undefined ? undefined : (state.endedAt ?? now) - state.startedAt;
  const [title, right] = ends(
    [
      state.app,
      state.environment,
      `${state.reason === 'rollback' ? 'back to ' : ''}${betweenReleases(state.from, state.to)}`,
    ]
      .filter((part) => part !== '')
      .join(' · '),
    [state.rollout === undefined ? '' : `rollout ${state.rollout}`, elapsed === undefined ? '' : ticking(elapsed)]
      .filter((part) => part !== '')
      .join(' · '),
    columns - 2,
  );
  const lines = [`  ${paint.bold(title)}${paint.dim(right)}`, ''];
  if (state.steps.length === 0) {
    lines.push(
      `  ${paint.blue('●')} building${state.building === '' ? '' : paint.dim(`  ${clip(state.building, columns - 14)}`)}`,
    );
    return lines;
  }
  lines.push(...state.steps.flatMap((step) => stepLines(step, canvas)));
  const traffic = trafficLines(state, canvas);
  if (traffic.length > 0) lines.push('', ...traffic);
  if (state.verdict !== undefined && state.outcome === undefined) {
    const colour = verdictColour(state.verdict.kind, paint);
    const sentence = `${state.verdict.kind}: ${state.verdict.because}`;
    lines.push(
      ...wrap(sentence, columns - 12).map(
        (text, i) => `  ${padEnd(i === 0 ? 'verdict' : '', 9)} ${i === 0 ? colour(text) : text}`,
      ),
    );
  }
  if (state.outcome !== undefined) lines.push('', ...renderOutcome(state, canvas));
  return lines;
}

/** How it ended, with the figures that count. */
export function renderOutcome(state: RolloutState, canvas: Canvas): readonly string[] {
  const { paint, columns } = canvas;
  const ms = state.startedAt === undefined || state.endedAt === undefined ? undefined : state.endedAt - state.startedAt;
  const requests = state.traffic.reduce((sum, entry) => sum + entry.requests, 0);
  const failures = state.traffic.reduce((sum, entry) => sum + entry.failures, 0);
  const after = ms === undefined ? '' : ` after ${formatDuration(ms)}`;
  const serves = state.serving === undefined ? 'nothing serves' : `release ${state.serving} serves`;
  const said = `${serves}${after}`;
  let head = paint.red(clip(`✗ failed: ${said}`, columns - 2));
  if (state.outcome === 'promoted') head = paint.green(clip(`✓ promoted: ${said}`, columns - 2));
  if (state.outcome === 'rolled-back') head = paint.yellow(clip(`↩ rolled back: ${said}`, columns - 2));
  return [
    `  ${head}`,
    ...(state.because === '' ? [] : wrap(state.because, columns - 4).map((text) => `    ${text}`)),
    `    ${count(requests)} requests, ${failures > 0 ? paint.red(`${count(failures)} failed`) : `${count(failures)} failed`}`,
  ];
}
