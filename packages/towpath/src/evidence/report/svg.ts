import type { Chart, Point, Series } from './chart.ts';
import { SIGN } from './document.ts';
import { escapeHtml } from './escape.ts';
import { showOffset } from './figures.ts';

/** Text does not scale well with a picture, so each chart is drawn for two widths; CSS shows one. */
const SIZES = [
  { name: 'narrow', width: 330, height: 210 },
  { name: 'wide', width: 520, height: 240 },
] as const;
const LEFT = 58;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 28;

interface Frame {
  readonly width: number;
  readonly height: number;
  x(t: number): number;
  y(value: number): number;
}

/** @param id unique within the page */
export function chartSvg(chart: Chart, id: string): string {
  return SIZES.map(({ name, width, height }) => drawing(chart, `${id}-${name}`, name, width, height)).join('');
}

function drawing(chart: Chart, id: string, size: string, width: number, height: number): string {
  const frame: Frame = {
    width,
    height,
    x: (t) => round(LEFT + (Math.max(0, Math.min(t, chart.domain.t)) / chart.domain.t) * (width - LEFT - RIGHT)),
    y: (value) =>
      round(height - BOTTOM - (Math.min(value, chart.domain.value) / chart.domain.value) * (height - TOP - BOTTOM)),
  };
  const body =
    chart.form === 'stacked'
      ? stacked(chart, frame, id)
      : chart.series
          .toReversed()
          .map((series) => line(series, frame))
          .join('');
  return (
    `<svg class="chart ${size}" role="img" aria-labelledby="${id}-t ${id}-d" viewBox="0 0 ${width} ${height}">` +
    `<title id="${id}-t">${escapeHtml(chart.title)}</title><desc id="${id}-d">${escapeHtml(chart.description)}</desc>` +
    `${axes(chart, frame)}${body}${marks(chart, frame)}</svg>`
  );
}

function axes(chart: Chart, frame: Frame): string {
  const { domain, show } = chart;
  const rows = [0, 0.5, 1].map((part) => {
    const y = frame.y(part * domain.value);
    return (
      `<line class="grid" x1="${LEFT}" x2="${frame.width - RIGHT}" y1="${y}" y2="${y}"/>` +
      `<text class="tick" x="${LEFT - 7}" y="${y + 4}" text-anchor="end">${escapeHtml(show(part * domain.value).replace('.0 ', ' '))}</text>`
    );
  });
  const ticks = timeTicks(domain.t, frame.width > 400 ? 5 : 3).map((t) => {
    const x = frame.x(t);
    const anchor = x > frame.width - 40 ? 'end' : 'middle';
    return (
      `<line class="grid" x1="${x}" x2="${x}" y1="${frame.height - BOTTOM}" y2="${frame.height - BOTTOM + 4}"/>` +
      `<text class="tick" x="${anchor === 'end' ? frame.width - RIGHT : x}" y="${frame.height - 8}" text-anchor="${anchor}">${escapeHtml(tickLabel(t))}</text>`
    );
  });
  return `<g>${rows.join('')}${ticks.join('')}</g>`;
}

const tickLabel = (t: number): string =>
  t === 0
    ? '0 s'
    : showOffset(t)
        .replace(/\.0 s$/, ' s')
        .replace(/ 0 (s|min)$/, '');

const STEPS_MS = [
  100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
  7_200_000, 21_600_000, 86_400_000,
];

/** Round times from 0 on, at most `most` steps. */
export function timeTicks(end: number, most: number): readonly number[] {
  const step = STEPS_MS.find((candidate) => end / candidate <= most) ?? end / most;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}

/** Shares hold from one change to the next; the new release is at the bottom. */
function stacked(chart: Chart, frame: Frame, id: string): string {
  const times = chart.series[0]?.points.map(({ t }) => t) ?? [];
  let floor = times.map(() => 0);
  const layers = chart.series.map((series) => {
    const tops = series.points.map(({ value }, i) => (floor[i] ?? 0) + (value ?? 0));
    const upper = steps(times, tops, chart.domain.t, frame);
    const lower = steps(times, floor, chart.domain.t, frame).toReversed();
    floor = tops;
    const [first, ...rest] = [...upper, ...lower].map(([x, y]) => `${x} ${y}`);
    const fill = series.role === 'new' ? '' : ` fill="url(#${id}-hatch)"`;
    return `<path class="area ${series.role}"${fill} d="M${first}L${rest.join('L')}Z"/>`;
  });
  const hatch = `<pattern id="${id}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-ground" width="6" height="6"/><line class="hatch" y2="6"/></pattern>`;
  return `<defs>${hatch}</defs>${layers.join('')}`;
}

function steps(
  times: readonly number[],
  values: readonly number[],
  end: number,
  frame: Frame,
): readonly (readonly [number, number])[] {
  return times.flatMap((t, i) => {
    const y = frame.y(values[i] ?? 0);
    return [[frame.x(t), y] as const, [frame.x(times[i + 1] ?? end), y] as const];
  });
}

/** A line with a gap where nothing was measured, and a dot where it would be a single point. */
function line({ points, role }: Series, frame: Frame): string {
  let d = '';
  let open = false;
  const dots: string[] = [];
  points.forEach(({ t, value }, i) => {
    if (value === undefined) {
      open = false;
      return;
    }
    const x = frame.x(t);
    const y = frame.y(value);
    d += `${open ? 'L' : 'M'}${x} ${y}`;
    open = true;
    if (points.length <= 40 || alone(points, i)) dots.push(dot(role, x, y));
  });
  return `<path class="line ${role}" d="${d === '' ? 'M0 0' : d}"/>${dots.join('')}`;
}

const alone = (points: readonly Point[], i: number): boolean =>
  points[i - 1]?.value === undefined && points[i + 1]?.value === undefined;

const dot = (role: Series['role'], x: number, y: number): string =>
  role === 'new'
    ? `<circle class="dot new" cx="${x}" cy="${y}" r="3"/>`
    : `<rect class="dot old" x="${round(x - 2.5)}" y="${round(y - 2.5)}" width="5" height="5"/>`;

function marks(chart: Chart, frame: Frame): string {
  let last = -Infinity;
  return chart.marks
    .map(({ t, mark }) => {
      const x = frame.x(t);
      // Signs that would cover each other are left out; the line remains, and the table of verdicts.
      const room = x - last >= 12;
      if (room) last = x;
      const sign = room
        ? `<text class="sign ${mark.tone}" x="${x}" y="${TOP - 9}" text-anchor="middle">${SIGN[mark.tone]}</text>`
        : '';
      return `<line class="verdict ${mark.tone}" x1="${x}" x2="${x}" y1="${TOP - 5}" y2="${frame.height - BOTTOM}"/>${sign}`;
    })
    .join('');
}

/** What stands beside a chart: the same strokes, with their names. */
export function legendSvg(form: Chart['form'], role: Series['role'], id: string): string {
  const inside =
    form === 'line'
      ? `<path class="line ${role}" d="M0 7L26 7"/>${dot(role, 13, 7)}`
      : role === 'new'
        ? '<rect class="area new" width="26" height="14"/>'
        : `<defs><pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-ground" width="6" height="6"/><line class="hatch" y2="6"/></pattern></defs><rect class="area old" fill="url(#${id})" width="26" height="14"/>`;
  return `<svg class="key" aria-hidden="true" viewBox="0 0 26 14" width="26" height="14">${inside}</svg>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
