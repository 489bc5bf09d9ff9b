/**
 * npm run rehearse                      rehearses a real release on this machine, under load
 * npm run rehearse -- --break <promise> breaks that promise on purpose, to see it found
 *
 * Exit codes: 0 every promise was kept, 1 one was broken, 2 there is no such option, 130 stopped.
 */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { breakOf } from './rehearse/breaks.ts';
import { isPromise, judgeRehearsal, PROMISES } from './rehearse/promises.ts';
import { rehearse } from './rehearse/rehearsal.ts';
import { writeReport } from './rehearse/report.ts';
import { createScreen } from './rehearse/screen.ts';
import { openStage, type Stage } from './rehearse/stage.ts';
import { summary } from './rehearse/summary.ts';
import { endLeftovers } from './support/leftovers.ts';

const ROOT = path.dirname(import.meta.dirname);
const PACE = { hold: '2s', bake: '3s', ready: '6s' };
const MOST_MS = 6 * 60_000;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { break: { type: 'string' } } });
  const wanted = values.break;
  if (wanted !== undefined && !isPromise(wanted)) {
    process.stderr.write(`there is no promise "${wanted}" to break; there are ${PROMISES.join(', ')}\n`);
    return 2;
  }
  const screen = createScreen(process.stdout, process.env);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      screen.say(`! stopped by ${name}; taking everything down`);
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(MOST_MS)]);
  // Everything that is started inherits this, so that nothing can stay behind unseen.
  const mark = (process.env['TOWPATH_PROOF_RUN'] ??= `rehearsal-${randomUUID()}`);
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-rehearsal-'));
  // Passable for the embedded Postgres of a root user, which else keeps its data elsewhere, for good.
  await chmod(dir, 0o711);
  const started = performance.now();
  screen.plain(
    '',
    screen.paint.bold('Towpath rehearses a release: growth, a Shopify app, on this machine, under load'),
    '',
  );

  let stage: Stage | undefined;
  let exit = 1;
  try {
    stage = await openStage(dir, PACE, screen, signal);
    const rehearsed = await rehearse(stage, wanted === undefined ? undefined : breakOf(wanted));
    const kept = judgeRehearsal(rehearsed.seen);
    const report = await writeReport(stage, rehearsed, kept, path.join(ROOT, '.towpath-rehearsal'));
    screen.close();
    screen.plain(...summary(rehearsed.seen, kept, path.relative(process.cwd(), report), screen.paint));
    exit = kept.every(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    screen.close();
    const reason: unknown = signal.aborted ? signal.reason : error;
    screen.plain('', screen.paint.red(`FAILED  ${reason instanceof Error ? reason.message : String(reason)}`));
    exit = stop.signal.aborted ? 130 : 1;
  }
  await stage?.close().catch((error: unknown) => {
    screen.plain(screen.paint.red(`FAILED  ${error instanceof Error ? error.message : String(error)}`));
    exit ||= 1;
  });
  const left = await endLeftovers(mark, [dir]);
  if (left.length > 0) {
    screen.plain(screen.paint.red(`FAILED  processes were left behind and had to be ended: ${left.join(', ')}`));
    exit ||= 1;
  }
  if (exit === 0 || exit === 130) await rm(dir, { recursive: true, force: true });
  else screen.plain(`  kept for a look: ${dir}`);
  screen.plain(`  ${((performance.now() - started) / 1000).toFixed(0)} s, everything is stopped`, '');
  return exit;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
// Idle connections must not keep the end waiting.
process.stdout.write('', () => process.exit());
