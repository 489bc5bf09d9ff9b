import type { RolloutView } from '@towpath/wire';
import { TowpathError } from '../../kernel/index.ts';
import { systemClock } from '../../system/index.ts';
import type { Client } from '../client.ts';
import type { Context } from '../command.ts';
import { EXIT } from '../exit.ts';
import { followRollout } from '../follow.ts';
import { createLiveRegion } from '../render/live.ts';
import { clockTime, plainLine } from '../render/plain.ts';
import { addEntry, emptyRollout, type RolloutState } from '../render/rollout-state.ts';
import { errorLines } from '../terminal.ts';
import { renderOutcome, renderTimeline } from '../render/timeline.ts';

const PATIENCE_MS = 60_000;
const FRAME_MS = 200;

interface Screen {
  show(state: RolloutState, remark: string): void;
  /** The watcher goes on to print other things. */
  close(): void;
}

function createScreen(context: Context): Screen {
  const { terminal, needs } = context;
  const region = createLiveRegion(needs.stdout);
  return {
    show(state, remark) {
      const canvas = { columns: terminal.columns, now: needs.now(), paint: terminal.paint };
      const lines = renderTimeline(state, canvas);
      region.draw(remark === '' ? lines : [...lines, '', `  ${terminal.paint.yellow(remark)}`]);
    },
    close: () => region.close(),
  };
}

/**
 * Watches a rollout to its end: a timeline in place on a terminal, else a line for each event, else
 * JSON lines. Ctrl-C ends the watching alone.
 * @param good the outcomes that are a success for who watches
 * @returns the exit code
 */
export async function watchRollout(
  rollout: number,
  good: readonly RolloutView['status'][],
  client: Client,
  context: Context,
): Promise<number> {
  const { terminal, needs } = context;
  const stop = new AbortController();
  let interrupted = false;
  const offInterrupt = needs.onInterrupt(() => {
    interrupted = true;
    stop.abort(new Error('interrupted'));
  });
  let state: RolloutState = { ...emptyRollout, rollout, environment: context.environment };
  let remark = '';
  const screen = terminal.live ? createScreen(context) : undefined;
  const frames = screen === undefined ? undefined : setInterval(() => screen.show(state, remark), FRAME_MS);
  const stamp = (text: string): void => terminal.print(`${clockTime(new Date(needs.now()).toISOString())}  ${text}`);
  try {
    await followRollout(client, {
      rollout,
      signal: stop.signal,
      patienceMs: PATIENCE_MS,
      elapsed: () => systemClock.elapsed(),
      onEntry(entry) {
        state = addEntry(state, entry);
        terminal.document(entry);
        const line = screen === undefined ? plainLine(entry) : undefined;
        if (line !== undefined) terminal.print(line);
        screen?.show(state, remark);
      },
      onProgress(line) {
        state = { ...state, building: line };
        if (screen === undefined) stamp(`  ${line}`);
      },
      onLost(since) {
        if (remark === '' && screen === undefined)
          stamp('! the control plane is gone; the app serves on. Waiting up to 60s for it to come back');
        remark = `the control plane is gone; the app serves on. Waiting for it, ${Math.floor(since / 1000)} of 60s`;
      },
      onBack() {
        remark = '';
        if (screen === undefined) stamp('  the control plane is back');
      },
    });
    remark = '';
  } catch (error) {
    if (!interrupted) throw error;
  } finally {
    offInterrupt();
    clearInterval(frames);
    screen?.show(state, '');
    screen?.close();
  }
  if (interrupted) {
    terminal.print(
      '',
      '  Stopped watching; the rollout goes on by itself.',
      '  → `towpath status` shows it, `towpath abort` takes it back',
    );
    terminal.document({ stoppedWatching: true, rollout });
    return EXIT.ok;
  }
  const view = await client.get<RolloutView>(`/v1/rollouts/${rollout}`);
  if (screen === undefined && state.outcome !== undefined) {
    terminal.print('', ...renderOutcome(state, { columns: terminal.columns, now: needs.now(), paint: terminal.paint }));
  }
  if (state.outcome === undefined)
    terminal.print(`  ${view.status}${view.because === null ? '' : `: ${view.because}`}`);
  if (view.error !== null) terminal.print(...errorLines(view.error, terminal.paint).slice(1));
  if (view.report !== null) terminal.print(`    report ${view.report.html}`);
  terminal.document(view);
  return good.includes(view.status) ? EXIT.ok : EXIT.failed;
}

/** A whole number from an argument such as `12` or `r12`. @throws TowpathError `cli.bad_value` */
export function numbered(what: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const digits = /^r?(\d{1,15})$/.exec(text)?.[1];
  if (digits !== undefined) return Number(digits);
  throw new TowpathError('cli.bad_value', `"${text}" is no ${what}`, {
    remedy: 'fix-input',
    hint: `write its number, such as 12`,
  });
}
