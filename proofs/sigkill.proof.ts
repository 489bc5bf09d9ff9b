import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CRASH_POINTS, crashName } from '../packages/towpath/src/workflow/index.ts';
import { stepKinds } from '../packages/towpath/src/release/index.ts';
import type { Proof } from './proof.ts';
import { startPinging } from './support/pinger.ts';
import { killUnderLoad, type Killed } from './support/kills.ts';
import { openProject, QUICK_ROLLOUT, TOY_WEB, writeToy, type Project } from './support/project.ts';
import { wrongAtRest } from './support/world.ts';

interface Scenario {
  readonly at: string;
  readonly step: string;
  readonly direction: 'do' | 'undo';
}

const LONG_BAKE = { ...QUICK_ROLLOUT, bake: '60s' };

export const proof: Proof = {
  name: 'sigkill',
  promise:
    'A controller killed before, inside and after every step, forward and backward, converges after a restart: one release serves, nothing is left over, no migration ran twice, no request was lost.',
  bounds: [
    { figure: 'steps_not_covered', is: 'exactly', limit: 0, unit: 'steps' },
    { figure: 'points_not_reached', is: 'exactly', limit: 0, unit: 'points' },
    { figure: 'not_converged', is: 'exactly', limit: 0, unit: 'points' },
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'migrations_run_twice', is: 'exactly', limit: 0, unit: 'migrations' },
    { figure: 'router_back_ms', is: 'at most', limit: 1000, unit: 'ms', fullOnly: true },
    { figure: 'router_weights_changed', is: 'exactly', limit: 0, unit: 'tables' },
    { figure: 'router_lost_beyond_in_flight', is: 'exactly', limit: 0, unit: 'requests' },
    { figure: 'instance_lost_beyond_in_flight', is: 'exactly', limit: 0, unit: 'requests' },
  ],
  quick: true,
  minutes: { quick: 4, full: 20 },
  async run({ quick, signal, log, temporary }) {
    const dir = await temporary();
    const project = openProject(dir);
    await writeToy(dir, { behaviour: { version: 'v1' } });
    const figures = {
      points: 0,
      points_not_reached: 0,
      not_converged: 0,
      requests_sent: 0,
      requests_failed: 0,
      migrations_run_twice: 0,
    };
    const notes: string[] = [];
    const covered = new Set<string>();
    let files = 1;
    let killed: Killed | undefined;
    try {
      // The first release has a step that later ones do not; each of its points needs an app that was never released.
      await project.startControl();
      const first = (await enumerate(project, 'do')).filter(({ step }) => step === 'settle');
      await project.killControl();
      const [last, ...others] = quick ? first.slice(1, 2) : first;
      if (last === undefined) throw new Error('the first release has no step settle');
      covered.add(last.step);
      for (const scenario of others) {
        await crashFirst(openProject(await temporary()), scenario, figures, notes);
        log(`${scenario.at}, in an app of its own`);
      }
      await crashForward(project, last, figures, notes);
      const serving = (await project.here()).serving;
      if (serving === null) throw new Error('nothing serves after the first release');
      const url = (await project.here()).url ?? '';
      const pinging = startPinging(url, 40);

      await nextVersion(project, ++files, QUICK_ROLLOUT);
      const forward = (await enumerate(project, 'do')).filter(({ step }) => step !== 'settle');
      const backward = await enumerate(project, 'undo');
      const all = pick([...forward, ...backward], quick);
      for (const scenario of [...forward, ...backward]) covered.add(scenario.step);
      for (const scenario of all) {
        signal.throwIfAborted();
        const started = performance.now();
        await nextVersion(project, ++files, scenario.direction === 'do' ? QUICK_ROLLOUT : LONG_BAKE);
        await (scenario.direction === 'do' ? crashForward : crashBackward)(project, scenario, figures, notes);
        log(
          `${scenario.at}: ${((performance.now() - started) / 1000).toFixed(1)} s${notes.length > 0 ? `, ${notes.length} notes so far` : ''}`,
        );
      }
      const pinged = await pinging.stop();
      figures.requests_sent = pinged.sent;
      figures.requests_failed = pinged.failed;
      notes.push(...pinged.failures);
      const applied = (await project.ledger()).filter((entry) => entry.kind === 'migration.applied');
      const names = applied.map((entry) => String(entry.body['name']));
      figures.migrations_run_twice = names.length - new Set(names).size;

      log('the router and an instance are killed under load');
      await twoInstances(project, ++files);
      killed = await killUnderLoad(project, DELAY_MS, notes);
    } finally {
      await project.down();
    }
    const uncovered = stepKinds().filter(({ name }) => !covered.has(name));
    notes.push(...uncovered.map(({ name }) => `no scenario reaches the step ${name}`));
    return { figures: { ...figures, ...killed, steps_not_covered: uncovered.length }, notes };
  },
};

type Figures = { points: number; points_not_reached: number; not_converged: number };

/** Every point of the plan that a deploy would follow now, from the code's own list of steps. */
async function enumerate(project: Project, direction: 'do' | 'undo'): Promise<readonly Scenario[]> {
  const kinds = new Map(stepKinds().map((kind) => [kind.name, kind.undoes]));
  const { steps } = await project.plan();
  // The build comes before there is a plan.
  const indexed = [{ name: 'build', index: 0 }, ...steps.map(({ name, index }) => ({ name, index }))];
  const first = new Map<string, number>();
  for (const { name, index } of indexed) if (!first.has(name)) first.set(name, index);
  return [...first].flatMap(([name, index]) =>
    direction === 'undo' && kinds.get(name) !== 'yes'
      ? []
      : CRASH_POINTS.map((point) => ({ at: crashName(name, index, direction, point), step: name, direction })),
  );
}

/** In the quick form each point comes up once, at alternating steps. */
const pick = (all: readonly Scenario[], quick: boolean): readonly Scenario[] =>
  quick ? all.filter((_, i) => i % 5 === 1) : all;

/** Makes the next deploy differ: another text, one more migration. */
async function nextVersion(project: Project, file: number, rollout: typeof QUICK_ROLLOUT): Promise<void> {
  const name = `${String(file).padStart(4, '0')}_more.sql`;
  await writeToy(project.dir, { behaviour: { version: `v${file}` }, rollout });
  await writeFile(path.join(project.dir, 'migrations', name), `create table more_${file} (id int primary key);\n`);
}

const DELAY_MS = 20;

/** A release with two web instances, so that one can take over from the other. */
async function twoInstances(project: Project, file: number): Promise<void> {
  const behaviour = { version: `v${file}`, delayMs: DELAY_MS };
  await writeToy(project.dir, {
    behaviour,
    rollout: { ...QUICK_ROLLOUT, stages: [100], hold: '0s', bake: '0s' },
    processes: { web: { ...TOY_WEB, instances: 2, env: { TOY: JSON.stringify(behaviour) } } },
  });
  const begun = await project.begin();
  const ended = await project.ended(begun.id, 60_000);
  if (ended.status !== 'promoted') throw new Error(`two instances: ${ended.because}`);
}

async function crashFirst(fresh: Project, scenario: Scenario, figures: Figures, notes: string[]): Promise<void> {
  try {
    await writeToy(fresh.dir, { behaviour: { version: 'v1' } });
    await crashForward(fresh, scenario, figures, notes);
  } finally {
    await fresh.down();
  }
}

async function crashForward(project: Project, scenario: Scenario, figures: Figures, notes: string[]): Promise<void> {
  await project.killControl();
  const control = await project.startControl({ TOWPATH_CRASH_AT: scenario.at });
  await leads(project);
  const begun = await project.begin();
  await died(control.gone, scenario, figures, notes);
  await project.startControl();
  const ended = await project.ended(begun.id, 60_000);
  await converged(project, scenario, ended.status === 'promoted' ? begun.to : undefined, figures, notes);
}

async function crashBackward(project: Project, scenario: Scenario, figures: Figures, notes: string[]): Promise<void> {
  await project.killControl();
  const control = await project.startControl({ TOWPATH_CRASH_AT: scenario.at });
  await leads(project);
  const before = (await project.here()).serving ?? undefined;
  const begun = await project.begin();
  await reaches(project, begun.id, 'bake');
  await project.cli(['rollback', '--no-follow']);
  await died(control.gone, scenario, figures, notes);
  await project.startControl();
  const ended = await project.ended(begun.id, 60_000);
  await converged(project, scenario, ended.status === 'rolled-back' ? before : undefined, figures, notes);
}

async function leads(project: Project): Promise<void> {
  for (let looks = 0; looks < 400; looks++) {
    const status = await project.status().catch(() => undefined);
    if (status?.control.leader === true && status.environments.every((one) => one.router !== null)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the control plane does not lead');
}

async function reaches(project: Project, id: number, step: string): Promise<void> {
  for (let looks = 0; looks < 1200; looks++) {
    const now = await project.rollout(id).catch(() => undefined);
    if (now?.steps.some((one) => one.name === step && one.state === 'doing') === true) return;
    if (now?.endedAt != null) throw new Error(`the rollout ended before ${step}: ${now.because}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`the rollout does not reach ${step}`);
}

async function died(gone: Promise<void>, scenario: Scenario, figures: Figures, notes: string[]): Promise<void> {
  figures.points++;
  const late = Symbol('late');
  const first = await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 30_000, late))]);
  if (first !== late) return;
  figures.points_not_reached++;
  notes.push(`${scenario.at}: the controller did not get there`);
}

async function converged(
  project: Project,
  scenario: Scenario,
  release: number | undefined,
  figures: Figures,
  notes: string[],
): Promise<void> {
  const wrong =
    release === undefined ? ['the rollout did not end as it should'] : await wrongAtRest(project, { release });
  if (wrong.length === 0) return;
  figures.not_converged++;
  notes.push(...wrong.map((line) => `${scenario.at}: ${line}`));
}
