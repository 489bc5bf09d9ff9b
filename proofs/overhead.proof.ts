import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Proof } from './proof.ts';
import { cpuMs, median, residentMb, timeAppStart, timeCommand } from './support/measure-process.ts';
import { startPinging } from './support/pinger.ts';
import { openProject, QUICK_ROLLOUT, TOWPATH_BIN, writeToy, type Project } from './support/project.ts';

/** Long enough that the judge never waits for more requests at this rate. */
const HOLD_MS = 500;
const BAKE_MS = 300;
const REQUESTS_PER_S = 150;
const STAGES = [20, 100];
const ROLLOUT = { ...QUICK_ROLLOUT, stages: STAGES, hold: `${HOLD_MS}ms`, bake: `${BAKE_MS}ms` };
const WAITS_MS = STAGES.length * HOLD_MS + BAKE_MS;

/** One deploy, in milliseconds. */
interface Deploy {
  /** Of the command, as the person at the terminal waits for it. */
  readonly command: number;
  /** Of the rollout, from the first row of its ledger to its last. */
  readonly rollout: number;
  readonly build: number;
  /** Of the app alone, by hand, beside the same traffic. */
  readonly appStart: number;
}

const beyond = (total: number, { build, appStart }: Deploy): number => total - build - appStart - WAITS_MS;

export const proof: Proof = {
  name: 'overhead',
  promise:
    'A deploy takes little longer than build, app start and configured waits; the command line starts fast; an idle control plane is small and sleeps.',
  bounds: [
    { figure: 'deploy_overhead_ms', is: 'at most', limit: 1500, unit: 'ms', fullOnly: true },
    { figure: 'worst_deploy_overhead_ms', is: 'at most', limit: 1500, unit: 'ms', fullOnly: true },
    { figure: 'deploy_command_overhead_ms', is: 'at most', limit: 1500, unit: 'ms', fullOnly: true },
    { figure: 'help_to_node', is: 'at most', limit: 2, unit: '', fullOnly: true },
    { figure: 'status_to_node', is: 'at most', limit: 6, unit: '', fullOnly: true },
    { figure: 'idle_rss_mb', is: 'at most', limit: 120, unit: 'MB' },
    { figure: 'idle_cpu_percent', is: 'at most', limit: 1, unit: '% of a core', fullOnly: true },
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
  ],
  quick: true,
  minutes: { quick: 2, full: 8 },
  async run({ quick, signal, log, temporary }) {
    const dir = await temporary();
    const project = openProject(dir);
    try {
      await writeToy(dir, { behaviour: { version: 'v1' }, rollout: ROLLOUT });
      // Releases the first one too.
      await timeCommand([process.execPath, TOWPATH_BIN, 'up'], dir);
      const pinging = startPinging((await project.here()).url ?? '', REQUESTS_PER_S);
      const deploys: Deploy[] = [];
      for (let version = 2; version < (quick ? 3 : 9); version++) {
        signal.throwIfAborted();
        deploys.push(await deploy(project, version));
        log(`deploy ${version - 1}: ${JSON.stringify(deploys.at(-1))}`);
      }
      const traffic = await pinging.stop();
      const starts = await commandLine(dir, quick ? 5 : 21, signal);
      log(`command line: ${JSON.stringify(starts)}`);
      const idle = await idling(
        dir,
        quick ? { settleMs: 2000, watchMs: 3000 } : { settleMs: 30_000, watchMs: 40_000 },
        signal,
      );
      const middle = (of: (one: Deploy) => number): number => median(deploys.map(of));
      const overheads = deploys.map((one) => beyond(one.rollout, one));
      return {
        figures: rounded({
          deploys: deploys.length,
          deploy_overhead_ms: median(overheads),
          worst_deploy_overhead_ms: Math.max(...overheads),
          deploy_command_overhead_ms: middle((one) => beyond(one.command, one)),
          rollout_ms: middle((one) => one.rollout),
          build_ms: middle((one) => one.build),
          app_start_ms: middle((one) => one.appStart),
          configured_waits_ms: WAITS_MS,
          requests_sent: traffic.sent,
          requests_failed: traffic.failed,
          ...starts,
          ...idle,
        }),
        notes: traffic.failures,
      };
    } finally {
      await project.down();
    }
  },
};

async function deploy(project: Project, version: number): Promise<Deploy> {
  const { dir } = project;
  await writeToy(dir, { behaviour: { version: `v${version}` }, rollout: ROLLOUT });
  await writeFile(path.join(dir, 'migrations', `000${version}_more.sql`), `create table more_${version} (id int);\n`);
  const app = { cwd: dir, path: '/ready', env: { TOY: '{}' } };
  const starts: number[] = [];
  for (let i = 0; i < 3; i++) {
    starts.push(
      await timeAppStart(
        [
          ['node', 'web.mjs'],
          ['node', 'worker.mjs'],
        ],
        app,
      ),
    );
  }
  const command = await timeCommand([process.execPath, TOWPATH_BIN, 'deploy', '--dir', dir], dir);
  const { rollout } = await project.here();
  if (rollout === null || rollout.status !== 'promoted')
    throw new Error(`the rollout ended ${String(rollout?.status)}`);
  const rows = await project.ledger(rollout.id);
  const at = (kind: string): number => Date.parse(rows.find((row) => row.kind === kind)?.at ?? '');
  const build = rows.find((row) => row.kind === 'release.created')?.body['buildMs'];
  return {
    command,
    rollout: at('rollout.finished') - at('rollout.started'),
    build: Number(build),
    appStart: median(starts),
  };
}

/** In interleaved rounds, so that what else the machine does falls on all of them alike. */
async function commandLine(dir: string, rounds: number, signal: AbortSignal): Promise<Record<string, number>> {
  const commands = {
    node: [process.execPath, '-e', '0'],
    help: [process.execPath, TOWPATH_BIN, '--help'],
    status: [process.execPath, TOWPATH_BIN, 'status'],
  } as const;
  const times = { node: [] as number[], help: [] as number[], status: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    for (const name of ['node', 'help', 'status'] as const) {
      signal.throwIfAborted();
      const ms = await timeCommand(commands[name], dir);
      // The first round warms caches.
      if (round > 0) times[name].push(ms);
    }
  }
  const [node, help, status] = [median(times.node), median(times.help), median(times.status)];
  return { node_ms: node, help_ms: help, status_ms: status, help_to_node: help / node, status_to_node: status / node };
}

async function idling(
  dir: string,
  times: { readonly settleMs: number; readonly watchMs: number },
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const { pid }: { pid: number } = JSON.parse(await readFile(path.join(dir, '.towpath', 'control.json'), 'utf8'));
  await delay(times.settleMs, undefined, { signal });
  const started = performance.now();
  const before = await cpuMs(pid);
  let most = 0;
  while (performance.now() - started < times.watchMs) {
    most = Math.max(most, await residentMb(pid));
    await delay(500, undefined, { signal });
  }
  const busy = (await cpuMs(pid)) - before;
  const watched = performance.now() - started;
  return { idle_seconds: watched / 1000, idle_rss_mb: most, idle_cpu_percent: (busy / watched) * 100 };
}

const rounded = (figures: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      name.endsWith('_ms') ? Math.round(value) : Math.round(value * 100) / 100,
    ]),
  );
