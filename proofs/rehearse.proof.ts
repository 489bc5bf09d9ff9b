import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Proof, ProofContext, ProofOutcome } from './proof.ts';

/** Breaks that change how the rehearsal itself goes, so they are seen end to end, with its exit code. */
const END_TO_END = ['lost-request', 'tampered-ledger'] as const;

export const proof: Proof = {
  name: 'rehearse',
  promise:
    'One command releases the growth app under load: a good release goes live without a lost request, one that fails 5 % is ' +
    'taken back by itself, one that is never ready gets no request, no job or tick is lost or done twice; and it says so when any of that breaks.',
  bounds: [
    { figure: 'requests_lost', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'rollback_seconds', is: 'at most', limit: 15, unit: 's', fullOnly: true },
    { figure: 'jobs_duplicate', is: 'exactly', limit: 0, unit: 'jobs' },
    { figure: 'jobs_lost', is: 'exactly', limit: 0, unit: 'jobs' },
    { figure: 'ticks_duplicate', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'ticks_lost', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'never_ready_requests', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'promises_broken', is: 'exactly', limit: 0, unit: 'promises' },
    { figure: 'breaks_not_found', is: 'exactly', limit: 0, unit: 'breaks' },
    { figure: 'breaks_planted', is: 'at least', limit: 10, unit: 'breaks' },
    { figure: 'minutes', is: 'at most', limit: 4, unit: 'min', fullOnly: true },
  ],
  quick: true,
  minutes: { quick: 5, full: 12 },
  run,
};

async function run({ quick, signal, log, temporary }: ProofContext): Promise<ProofOutcome> {
  const { plantAll } = await import('./rehearse/plant-all.ts');
  const { judgeRehearsal } = await import('./rehearse/promises.ts');
  const { rehearse } = await import('./rehearse/rehearsal.ts');
  const { writeReport } = await import('./rehearse/report.ts');
  const { createScreen } = await import('./rehearse/screen.ts');
  const { openStage } = await import('./rehearse/stage.ts');

  const dir = await temporary();
  const screen = createScreen({ write: (text) => text.split('\n').forEach((line) => line !== '' && log(line)) }, {});
  const started = performance.now();
  const pace = quick ? { hold: '1s', bake: '1s', ready: '4s' } : { hold: '2s', bake: '3s', ready: '6s' };
  const stage = await openStage(dir, pace, screen, signal);
  const notes: string[] = [];
  try {
    const rehearsed = await rehearse(stage);
    const { seen, acts } = rehearsed;
    const kept = judgeRehearsal(seen);
    await writeReport(stage, rehearsed, kept, path.join(dir, 'report'));
    const minutes = (performance.now() - started) / 60_000;
    notes.push(...kept.filter(({ ok }) => !ok).map(({ reason }) => reason));

    const found = await plantAll(stage, acts, kept);
    if (!quick) for (const promise of END_TO_END) found.missed.push(...(await endToEnd(promise, signal, log)));
    notes.push(...found.missed);
    return {
      figures: {
        requests_sent: seen.requests.sent,
        requests_lost: seen.requests.lost,
        planted_failures: seen.requests.planted,
        requests_not_sent: seen.requests.notSent,
        rollback_seconds: Math.max(seen.rollback.byItself, seen.rollback.byHand) / 1000,
        rollback_by_itself_seconds: seen.rollback.byItself / 1000,
        rollback_by_hand_seconds: seen.rollback.byHand / 1000,
        actions: seen.jobs.approved,
        jobs_duplicate: seen.jobs.duplicate,
        jobs_lost: seen.jobs.lost,
        ticks: seen.ticks.due,
        ticks_duplicate: seen.ticks.duplicate,
        ticks_lost: seen.ticks.lost,
        never_ready_requests: seen.neverReadyRequests,
        // How fast this machine is, is asked in the full form alone.
        promises_broken: kept.filter(({ ok, promise }) => !ok && !(quick && promise === 'slow-rollback')).length,
        breaks_planted: found.planted,
        breaks_not_found: found.missed.length,
        minutes,
      },
      notes: [...notes],
    };
  } finally {
    await stage.close();
  }
}

/** Runs the command itself with a break. @returns what is wrong with how it ended */
async function endToEnd(promise: string, signal: AbortSignal, log: (line: string) => void): Promise<readonly string[]> {
  log(`npm run rehearse -- --break ${promise}`);
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'rehearse.ts'), '--break', promise], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const stop = (): boolean => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  signal.removeEventListener('abort', stop);
  const [first] = output.split('\n').filter((line) => line.startsWith('FAILED'));
  const wrong: string[] = [];
  if (code !== 1) wrong.push(`--break ${promise} ended with ${code}, not 1`);
  if (first?.endsWith(`(${promise})`) !== true)
    wrong.push(`--break ${promise} gave as its first reason: ${first ?? 'none'}`);
  log(first ?? 'no reason was given');
  return wrong;
}
