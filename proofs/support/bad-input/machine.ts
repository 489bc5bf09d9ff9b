import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RolloutView } from '@towpath/wire';
import { withFileLock } from '../../../packages/towpath/src/system/index.ts';
import { openProject, QUICK_ROLLOUT, writeToy } from '../project.ts';
import {
  lastDocument,
  leads,
  postgresOf,
  refusal,
  takePort,
  wrongTold,
  writeNext,
  type Bench,
  type Case,
  type Expected,
} from './bench.ts';

const CLOCK = fileURLToPath(new URL('../jumping-clock.mjs', import.meta.url));
const HOLD_MS = 2000;
const HOUR = 3_600_000;

/** Trouble of the machine: ports, the control plane's database, the clock. */
export const MACHINE_CASES: readonly Case[] = [
  { name: "router's fixed port is taken at up", run: routerPort },
  {
    name: 'control database is down at start',
    run: (bench) =>
      wrongStart(bench, () => 'postgresql://postgres@127.0.0.1:1/towpath', { code: 'database.unreachable', exit: 1 }),
  },
  {
    name: 'wrong password of the control database',
    run: (bench) =>
      wrongStart(
        bench,
        (right) => {
          const url = new URL(right);
          url.password = 'not-the-password';
          return url.toString();
        },
        { code: 'database.wrong_password', exit: 2 },
      ),
  },
  { name: 'database dies in the middle of a rollout', shifts: true, run: databaseDies },
  { name: 'clock jumps in the middle of a rollout', shifts: true, run: clockJumps },
];

/** In a project of its own, for where the app serves the router has its port already. */
async function routerPort(bench: Bench): Promise<readonly string[]> {
  const dir = await bench.temporary();
  const project = openProject(dir);
  const { port, close } = await takePort();
  const wrong: string[] = [];
  try {
    await writeToy(dir, { config: { environments: { local: { port } } } });
    const taken = await project.cli(['up', '--no-deploy', '--json']);
    wrong.push(
      ...wrongTold(taken.code, refusal(taken), {
        code: 'router.port_taken',
        exit: 2,
        message: new RegExp(`port ${port} .*taken by process ${process.pid} \\(`),
        hint: /towpath\.config\.ts/,
      }),
    );
    await close();
    const free = await project.cli(['up', '--no-deploy', '--json']);
    const answer: { status: { environments: { url: string | null }[] } } | null = JSON.parse(lastDocument(free));
    const url = answer?.status.environments[0]?.url;
    if (free.code !== 0) wrong.push(`up with the port free again ended with ${free.code}: ${free.stdout}`);
    if (url !== `http://127.0.0.1:${port}`) wrong.push(`the router is at ${url}, not on port ${port}`);
  } finally {
    await close().catch(() => {});
    await project.down();
  }
  return wrong;
}

/** `up` where the control plane is to use a database that is no good, while the app serves on without one. */
async function wrongStart(
  { project, signal }: Bench,
  bad: (right: string) => string,
  expected: Expected,
): Promise<readonly string[]> {
  const right = (await postgresOf(project)).url('towpath');
  await project.killControl('SIGTERM');
  try {
    const ran = await project.cli(['up', '--json'], { env: { TOWPATH_DATABASE_URL: bad(right) } });
    return [
      ...wrongTold(ran.code, refusal(ran), { ...expected, hint: /TOWPATH_DATABASE_URL/ }),
      ...(ran.stdout.includes('not-the-password') ? ['the password is printed'] : []),
    ];
  } finally {
    await project.startControl();
    await leads(project, signal);
  }
}

async function begin(bench: Bench): Promise<RolloutView> {
  return await bench.project.json<RolloutView>(['deploy', '--dir', bench.source, '--no-follow', '--resume-deploys']);
}

/** Waits until the nth stage of a rollout is under way. */
async function inStage(bench: Bench, id: number, nth: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const view = await bench.project.rollout(id).catch(() => undefined);
    if (view !== undefined && view.endedAt !== null) throw new Error(`it ended before stage ${nth}: ${view.because}`);
    const stages = view?.steps.filter(({ name }) => name === 'stage') ?? [];
    if (stages[nth]?.state === 'doing') return;
    await delay(30, undefined, { signal: bench.signal });
  }
  throw new Error(`the rollout does not come to stage ${nth}`);
}

/** Whichever way it went: what the rollout says serves is what must be found serving. */
function settleOn(bench: Bench, view: RolloutView): readonly string[] {
  if (view.status === 'promoted') bench.serving = view.to;
  else if (view.status !== 'rolled-back') return [`the rollout is ${view.status}`];
  return [];
}

async function databaseDies(bench: Bench): Promise<readonly string[]> {
  const { project, signal } = bench;
  await writeNext(bench, { rollout: { ...QUICK_ROLLOUT, stages: [50, 100], hold: '2s' } });
  const { id } = await begin(bench);
  await inStage(bench, id, 0);
  const before = await postgresOf(project);
  const wrong: string[] = [];
  // While this is held nobody can start it again, so it stays down for as long as we say.
  const lock = path.join(project.dir, '.towpath', 'postgres', 'server.lock');
  await withFileLock(lock, { within: 10_000, signal }, async () => {
    process.kill(before.pid, 'SIGKILL');
    await delay(1500, undefined, { signal });
    const asked = await project.cli(['status', '--json']);
    wrong.push(...wrongTold(asked.code, refusal(asked), { code: 'database.unreachable', exit: 1 }));
    await delay(1000, undefined, { signal });
  });
  const view = await project.ended(id, 60_000);
  const after = await postgresOf(project);
  if (after.pid === before.pid) wrong.push('Postgres was not started again');
  return [...wrong, ...settleOn(bench, view)];
}

/** The ticks that ran, oldest first, each as often as it ran. */
async function ticksRun(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ')[0] ?? '');
}

/**
 * An hour forth in the first stage, and in the second back to some seconds before the truth, so that
 * ticks which have run come round once more.
 */
async function clockJumps(bench: Bench): Promise<readonly string[]> {
  const { project, signal } = bench;
  const wrong: string[] = [];
  const clock = path.join(project.dir, 'clock-offset');
  const file = path.join(project.dir, 'ticks');
  const set = (ms: number): Promise<void> => writeFile(clock, String(ms));
  await set(0);
  await project.killControl('SIGTERM');
  await project.startControl({ NODE_OPTIONS: `--import=${CLOCK}`, TOWPATH_PROOF_CLOCK: clock });
  try {
    await leads(project, signal);
    const tick = {
      kind: 'cron',
      command: 'node tick.mjs',
      schedule: '* * * * * *',
      timeout: '10s',
      catchUp: '3s',
      env: { TOY_TICKS: file },
    } as const;
    // First the ticks: a release of its own, that the next one takes over from.
    await writeNext(bench, { processes: { tick } });
    const first = await project.ended((await begin(bench)).id, 60_000);
    wrong.push(...settleOn(bench, first));
    await delay(3000, undefined, { signal });
    await writeNext(bench, {
      processes: { tick },
      rollout: { ...QUICK_ROLLOUT, stages: [50, 100], hold: `${HOLD_MS}ms` },
    });
    const { id } = await begin(bench);
    await inStage(bench, id, 0);
    await set(HOUR);
    await inStage(bench, id, 1);
    await set(-4000);
    const view = await project.ended(id, 90_000);
    wrong.push(...settleOn(bench, view));
    if (view.status !== 'promoted') wrong.push(`the rollout is ${view.status}: ${view.because}`);
    for (const { name, title, ms } of view.steps) {
      if (name !== 'stage') continue;
      // As Postgres measured it, whose clock was left alone.
      if (ms === null || ms < HOLD_MS) wrong.push(`${title} ended early, after ${ms} ms`);
      else if (ms > HOLD_MS + 20_000) wrong.push(`${title} took ${ms} ms`);
    }
    // Until the clock has come past every second that it had seen before.
    await delay(3000, undefined, { signal });
    const ran = await ticksRun(file);
    const twice = ran.filter((one, i) => ran.indexOf(one) !== i);
    if (twice.length > 0) wrong.push(`ticks ran twice: ${twice.join(', ')}`);
    if (ran.length < 3) wrong.push(`only ${ran.length} ticks ran`);
    // A lease that was lost and taken again is a deadline that fired early.
    const leases = (await project.ledger(id)).filter(({ kind }) => kind === 'lease.taken');
    if (leases.length > 0) wrong.push('the lease was lost');
  } finally {
    await project.killControl('SIGTERM');
    await project.startControl();
    await leads(project, signal);
  }
  return wrong;
}
