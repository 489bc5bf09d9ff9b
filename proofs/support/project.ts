import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerEntry, Plan, RolloutView, Status } from '@towpath/wire';
import { unixRequest } from '../../packages/towpath/src/system/index.ts';
import type { ConfigInput } from '../../packages/towpath/src/config/index.ts';

export const TOWPATH_BIN = fileURLToPath(new URL('../../packages/towpath/bin/towpath.js', import.meta.url));
const TOY = fileURLToPath(new URL('toy', import.meta.url));
const SDK = fileURLToPath(new URL('../../packages/sdk/dist', import.meta.url));

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the toy app behaves, by release. */
export interface ToyBehaviour {
  readonly version: string;
  readonly neverReady?: boolean;
  readonly crashAtOnce?: boolean;
  /** Every so many-th request fails. */
  readonly failEvery?: number;
  readonly delayMs?: number;
}

export interface ToyOptions {
  readonly behaviour?: ToyBehaviour;
  /** Files beside the toy's own: path and content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly rollout?: ConfigInput['rollout'];
  readonly processes?: Partial<ConfigInput['processes']>;
  readonly env?: Readonly<Record<string, string>>;
  readonly migrations?: Partial<NonNullable<ConfigInput['migrations']>>;
  /** Whatever else of the config, in place of what the toy has. */
  readonly config?: Partial<ConfigInput>;
}

/** Short stages, so that a proof sees a whole rollout in seconds; the judge decides on few requests. */
export const QUICK_ROLLOUT: NonNullable<ConfigInput['rollout']> = {
  stages: [20, 100],
  hold: '300ms',
  deadline: '20s',
  onDeadline: 'proceed',
  bake: '300ms',
  health: { minRequests: 5, minFailures: 3, maxFailureIncrease: 2 },
};

/** The toy's web group, but for its behaviour. */
export const TOY_WEB = {
  kind: 'web',
  command: 'node web.mjs',
  readiness: { timeout: '8s', interval: '50ms' },
  drainTimeout: '5s',
  stopTimeout: '3s',
  upgradeDrainTimeout: '2s',
} as const satisfies ConfigInput['processes'][string];

/** Writes the toy app into a folder, as a user's app with its config. */
export async function writeToy(dir: string, options: ToyOptions = {}): Promise<void> {
  await mkdir(dir, { recursive: true });
  await cp(TOY, dir, { recursive: true });
  await cp(SDK, path.join(dir, 'sdk'), { recursive: true });
  await writeFile(path.join(dir, 'package.json'), JSON.stringify({ name: 'toy', version: '1.0.0', type: 'module' }));
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
  const config: ConfigInput = {
    app: 'toy',
    migrations: { dir: 'migrations', lockTimeout: '500ms', budget: '20s', ...options.migrations },
    processes: {
      web: { ...TOY_WEB, env: { TOY: JSON.stringify(options.behaviour ?? { version: 'v1' }) } },
      worker: {
        kind: 'worker',
        command: 'node worker.mjs',
        drainTimeout: '5s',
        stopTimeout: '3s',
        readiness: { timeout: '8s' },
      },
      tick: { kind: 'cron', command: 'node tick.mjs', schedule: '*/20 * * * * *', timeout: '10s' },
      ...options.processes,
    },
    environments: { local: { env: { ...options.env } } },
    rollout: options.rollout ?? QUICK_ROLLOUT,
    ...options.config,
  };
  await writeFile(
    path.join(dir, 'towpath.config.ts'),
    `import { defineConfig } from 'towpath';\n\nexport default defineConfig(${JSON.stringify(config, null, 2)});\n`,
  );
}

/** An app in a folder with its control plane, driven as a user drives it. */
export interface Project {
  readonly dir: string;
  /** Runs `towpath ...argv` to its end. */
  cli(
    argv: readonly string[],
    options?: { readonly env?: Record<string, string>; readonly timeoutMs?: number },
  ): Promise<Ran>;
  /** The same with --json, parsed; throws when it exits other than 0. */
  json<T>(argv: readonly string[]): Promise<T>;
  status(): Promise<Status>;
  /** Of the environment `local`. */
  here(): Promise<Status['environments'][number]>;
  rollout(id: number): Promise<RolloutView>;
  /** Waits until a rollout has ended. */
  ended(id: number, withinMs: number): Promise<RolloutView>;
  /** Begins a deploy of the folder, without waiting for its end. */
  begin(more?: readonly string[]): Promise<RolloutView>;
  plan(): Promise<Plan>;
  ledger(rollout?: number): Promise<readonly LedgerEntry[]>;
  /** Starts a control plane as a process of its own, with these variables; resolves when it answers. */
  startControl(env?: Record<string, string>): Promise<{ readonly pid: number; readonly gone: Promise<void> }>;
  killControl(signal?: NodeJS.Signals): Promise<void>;
  down(): Promise<void>;
}

export function openProject(dir: string, env: Readonly<Record<string, string>> = {}): Project {
  const environment = { ...process.env, NO_COLOR: '1', TOWPATH_ACTOR: 'user:proof', ...env };

  const cli: Project['cli'] = async (argv, options = {}) =>
    await new Promise<Ran>((resolve, reject) => {
      const child = spawn(process.execPath, [TOWPATH_BIN, ...argv], {
        cwd: dir,
        env: { ...environment, ...options.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let stderr = '';
      const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve({ code: code ?? 137, stdout, stderr });
      });
    });

  const json: Project['json'] = async (argv) => {
    const ran = await cli([...argv, '--json']);
    if (ran.code !== 0) throw new Error(`towpath ${argv.join(' ')} ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
    return JSON.parse(ran.stdout);
  };

  const controlPid = async (): Promise<number> => {
    const { pid }: { pid: number } = JSON.parse(await readFile(path.join(dir, '.towpath', 'control.json'), 'utf8'));
    return pid;
  };

  const project: Project = {
    dir,
    cli,
    json,
    status: () => ask<Status>('/v1/status'),
    async here() {
      const found = (await project.status()).environments.find((one) => one.environment === 'local');
      if (found === undefined) throw new Error('there is no environment local');
      return found;
    },
    rollout: (id) => ask<RolloutView>(`/v1/rollouts/${id}`),
    async ended(id, withinMs) {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const now = await project.rollout(id).catch(() => undefined);
        if (now !== undefined && now.endedAt !== null && now.report !== null) return now;
        if (performance.now() > deadline)
          throw new Error(`rollout ${id} has not ended within ${withinMs} ms: ${now?.status} ${now?.phase}`);
        await delay(50);
      }
    },
    begin: (more = []) => json<RolloutView>(['deploy', '--dir', dir, '--no-follow', ...more]),
    plan: () => json<Plan>(['plan', '--dir', dir]),
    async ledger(rollout) {
      const { entries } = await ask<{ entries: LedgerEntry[] }>(
        `/v1/evidence?limit=5000${rollout === undefined ? '' : `&rollout=${rollout}`}`,
      );
      return entries;
    },
    async startControl(more = {}) {
      const child = spawn(process.execPath, [TOWPATH_BIN, 'serve', '--cwd', dir], {
        cwd: dir,
        env: { ...environment, ...more },
        stdio: ['ignore', 'ignore', 'inherit'],
        detached: true,
      });
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.unref();
      const deadline = performance.now() + 60_000;
      for (;;) {
        const health = await ask<{ pid: number }>('/v1/health').catch(() => undefined);
        if (health !== undefined && health.pid === child.pid) return { pid: child.pid, gone };
        if (performance.now() > deadline || child.exitCode !== null)
          throw new Error('the control plane does not answer');
        await delay(25);
      }
    },
    async killControl(signal = 'SIGKILL') {
      const pid = await controlPid().catch(() => undefined);
      if (pid === undefined) return;
      try {
        process.kill(pid, signal);
      } catch {
        return;
      }
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
      for (let looks = 0; looks < 400; looks++) {
        try {
          process.kill(pid, 0);
        } catch {
          return;
        }
        await delay(25);
      }
    },
    async down() {
      await cli(['abort']).catch(() => undefined);
      const deadline = performance.now() + 45_000;
      let said = '';
      while (performance.now() < deadline) {
        const ran = await cli(['down'], { timeoutMs: 30_000 });
        if (ran.code === 0) return;
        said = `${ran.stdout}${ran.stderr}`;
        await delay(500);
      }
      // Only said, because this often runs on the way out of a failure that matters more; the runner ends what is left.
      process.stderr.write(`\`towpath down\` did not succeed: ${said}\n`);
    },
  };

  async function ask<T>(route: string): Promise<T> {
    const answer = await unixRequest({
      socket: path.join(dir, '.towpath', 'control.sock'),
      method: 'GET',
      path: route,
      timeoutMs: 10_000,
    });
    let text = '';
    for await (const chunk of answer.chunks) text += chunk;
    if (answer.status >= 400) throw new Error(`${route} answered ${answer.status}: ${text}`);
    return JSON.parse(text);
  }
  return project;
}
