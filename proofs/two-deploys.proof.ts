import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Proof } from './proof.ts';
import { startPinging } from './support/pinger.ts';
import { openProject, QUICK_ROLLOUT, writeToy, type Project } from './support/project.ts';
import { wrongAtRest } from './support/world.ts';

const LEASE_MS = 2000;
const SLOW = { ...QUICK_ROLLOUT, bake: '2s' };

export const proof: Proof = {
  name: 'two-deploys',
  promise:
    'Of two deploys at once one waits visibly or is refused with who holds the lock since when; a controller that was stopped past its lease and wakes up mutates nothing.',
  bounds: [
    { figure: 'refusals_without_holder', is: 'exactly', limit: 0, unit: 'refusals' },
    { figure: 'waits_not_visible', is: 'exactly', limit: 0, unit: 'waits' },
    { figure: 'rollouts_not_promoted', is: 'exactly', limit: 0, unit: 'rollouts' },
    { figure: 'rollouts_at_once', is: 'at most', limit: 1, unit: 'rollouts' },
    { figure: 'mutations_after_waking', is: 'exactly', limit: 0, unit: 'rows' },
    { figure: 'wrong_at_rest', is: 'exactly', limit: 0, unit: 'findings' },
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'sleepers_woken', is: 'at least', limit: 1, unit: 'controllers' },
  ],
  quick: true,
  minutes: { quick: 3, full: 8 },
  async run({ quick, signal, log, temporary }) {
    const dir = await temporary();
    const project = openProject(dir, { TOWPATH_LEASE_TTL_MS: String(LEASE_MS) });
    const notes: string[] = [];
    const figures = {
      refusals_without_holder: 0,
      waits_not_visible: 0,
      rollouts_not_promoted: 0,
      rollouts_at_once: 0,
      mutations_after_waking: 0,
      wrong_at_rest: 0,
      requests_failed: 0,
      sleepers_woken: 0,
    };
    try {
      await writeToy(dir, { behaviour: { version: 'v1' }, rollout: SLOW });
      const up = await project.cli(['up']);
      if (up.code !== 0) throw new Error(`towpath up ended with ${up.code}: ${up.stderr}`);
      const pinging = startPinging((await project.here()).url ?? '', 40);

      log('two deploys at once');
      await writeToy(dir, { behaviour: { version: 'v2' }, rollout: SLOW });
      const both = await Promise.all([1, 2].map(() => project.cli(['deploy', '--dir', dir, '--no-follow', '--json'])));
      const begun = both.filter(({ code }) => code === 0);
      const refused = both.filter(({ code }) => code === 4);
      if (begun.length !== 1 || refused.length !== 1)
        notes.push(`of two deploys ${begun.length} began, ${refused.length} were refused`);
      for (const { stdout } of refused) {
        const { error }: { error: { code: string; message: string; hint: string } } = JSON.parse(stdout);
        const names =
          error.code === 'rollout.locked' &&
          error.message.includes('user:proof') &&
          /since \d{4}-\d\d-\d\dT/.test(error.message);
        if (!names || !error.hint.includes('--wait')) figures.refusals_without_holder++;
      }
      figures.refusals_without_holder += Math.abs(1 - refused.length);

      log('a third one waits for it');
      await writeToy(dir, { behaviour: { version: 'v3' }, rollout: SLOW });
      const waiting = await project.begin(['--wait']);
      const seen = await project.rollout(waiting.id);
      if (seen.status !== 'waiting' || !seen.phase.includes('waiting')) {
        figures.waits_not_visible++;
        notes.push(`the waiting deploy shows as ${seen.status}: ${seen.phase}`);
      }
      const first: { id: number } = JSON.parse(begun[0]?.stdout ?? '{"id":0}');
      for (const id of [first.id, waiting.id]) {
        const ended = await project.ended(id, 60_000);
        if (ended.status === 'promoted') continue;
        figures.rollouts_not_promoted++;
        notes.push(`rollout ${id}: ${ended.status}, ${ended.because}`);
      }
      figures.rollouts_at_once = mostAtOnce(await project.ledger());

      for (let round = 0; round < (quick ? 1 : 4); round++) {
        signal.throwIfAborted();
        log(`a controller sleeps past its lease, round ${round + 1}`);
        await writeToy(dir, { behaviour: { version: `w${round}` }, rollout: SLOW });
        await sleepPastLease(project, figures, notes, 300 + round * 700);
      }
      const pinged = await pinging.stop();
      figures.requests_failed = pinged.failed;
      notes.push(...pinged.failures);
    } finally {
      await project.down();
    }
    return { figures, notes };
  },
};

/** Stops the controller in the middle of a rollout, lets another one take over, and wakes it. */
async function sleepPastLease(
  project: Project,
  figures: {
    mutations_after_waking: number;
    wrong_at_rest: number;
    sleepers_woken: number;
    rollouts_not_promoted: number;
  },
  notes: string[],
  afterMs: number,
): Promise<void> {
  const begun = await project.begin();
  await delay(afterMs);
  const sleeper = (await project.status()).control.pid;
  process.kill(sleeper, 'SIGSTOP');
  const heldEpoch = lastEpoch(await ledgerThrough(project, sleeper));
  const ended = await project.ended(begun.id, 60_000);
  if (ended.status !== 'promoted') {
    figures.rollouts_not_promoted++;
    notes.push(`with a sleeping controller the rollout ended ${ended.status}: ${ended.because}`);
  }
  const before = await project.ledger();
  process.kill(sleeper, 'SIGCONT');
  figures.sleepers_woken++;
  await delay(3 * LEASE_MS);
  const after = (await project.ledger()).slice(before.length);
  const holders = after.filter((entry) => entry.kind === 'effect' && Number(entry.body['epoch']) <= heldEpoch);
  figures.mutations_after_waking += holders.length;
  notes.push(...holders.map((entry) => `row ${entry.seq}: ${JSON.stringify(entry.body)}`));
  const wrong = await wrongAtRest(project, { release: begun.to });
  figures.wrong_at_rest += wrong.length;
  notes.push(...wrong);
  try {
    process.kill(sleeper, 'SIGKILL');
  } catch {
    notes.push('the controller that was woken had ended by itself');
  }
}

/** A second controller over the same state takes the sleeper's place at the socket. */
async function ledgerThrough(project: Project, sleeper: number): Promise<Awaited<ReturnType<Project['ledger']>>> {
  const command = readFileSync(`/proc/${sleeper}/cmdline`, 'utf8');
  if (!command.includes('serve')) throw new Error(`process ${sleeper} is no control plane`);
  await project.startControl();
  return await project.ledger();
}

const lastEpoch = (entries: Awaited<ReturnType<Project['ledger']>>): number =>
  Math.max(0, ...entries.filter((entry) => entry.kind === 'effect').map((entry) => Number(entry.body['epoch'])));

/** The most rollouts that were under way at the same time, by the ledger's own order. */
function mostAtOnce(entries: Awaited<ReturnType<Project['ledger']>>): number {
  const open = new Set<number>();
  let most = 0;
  for (const entry of entries) {
    if (entry.rollout === null) continue;
    if (entry.kind === 'step.started') open.add(entry.rollout);
    if (entry.kind === 'rollout.finished') open.delete(entry.rollout);
    most = Math.max(most, open.size);
  }
  return most;
}
