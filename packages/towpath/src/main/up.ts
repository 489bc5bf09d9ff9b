import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnvironmentView, Status } from '@towpath/wire';
import { COMMANDS, createClient, type DownAnswer, type LocalOptions, type UpAnswer } from '../cli/index.ts';
import { TowpathError, type ErrorBody } from '../kernel/index.ts';
import { stopRouter } from '../router/index.ts';
import { ensureDir, isAlive, readText, stopEmbeddedPostgres, until } from '../system/index.ts';
import { layoutOf, type Layout } from './layout.ts';
import { answers, runningControl } from './serve.ts';

const BIN = fileURLToPath(new URL('../../bin/towpath.js', import.meta.url));
// A small nursery: 102 MB resident after three rollouts beside 120 MB without, at the same idle load.
const SERVE_FLAGS = ['--max-semi-space-size=1'];
const START_MS = 120_000;
const STOP_MS = 180_000;

const clientOf = (layout: Layout) => createClient(path.join(layout.root, layout.socket));

/**
 * Starts what does not run: Postgres, control plane, router, and the instances of the release that
 * serves. What runs is left alone.
 */
export async function up(options: LocalOptions): Promise<UpAnswer> {
  const layout = layoutOf(options.root);
  const client = clientOf(layout);
  const started: string[] = [];
  const running: string[] = [];
  // One that runs and does not answer is replaced.
  const before = (await answers(layout)) ? await runningControl(layout) : undefined;
  if (before === undefined) {
    options.say('starting Postgres and the control plane');
    await startControl(options, layout);
    started.push('postgres', 'control plane');
  } else {
    running.push('postgres', 'control plane');
  }
  const look = async (signal: AbortSignal): Promise<EnvironmentView> => {
    const status = await client.get<Status>('/v1/status', signal);
    const found = status.environments.find((one) => one.environment === options.environment);
    if (found !== undefined) return found;
    throw new TowpathError('api.unknown_environment', `the app has no local environment "${options.environment}"`, {
      remedy: 'fix-input',
      hint: `use one of: ${status.environments.map((one) => one.environment).join(', ')}`,
    });
  };
  let last: EnvironmentView | undefined;
  const refuse = createRefusal();
  const ready = await until(
    'the router runs',
    async (signal) => {
      last = await look(signal);
      if (last.url !== null && last.router !== null) return last;
      refuse(last);
      return undefined;
    },
    { every: 50, within: 30_000, signal: options.signal },
  ).catch((error: unknown) => {
    throw inItsPlace(error, last);
  });
  (before === undefined ? started : running).push('router');
  const complete = (now: EnvironmentView): boolean =>
    now.serving === null ||
    (now.rollout !== null && now.rollout.endedAt === null) ||
    now.instances.some((one) => one.release === now.serving && one.kind !== 'cron' && one.state === 'running');
  if (ready.serving !== null) {
    (complete(ready) ? running : started).push('app');
    await until(
      'the app runs',
      async (signal) => {
        last = await look(signal);
        return complete(last);
      },
      { every: 100, within: 60_000, signal: options.signal },
    ).catch((error: unknown) => {
      throw inItsPlace(error, last);
    });
  }
  return { started, running, url: (await look(options.signal)).url };
}

/**
 * Refuses trouble that waiting does not mend: an input is wrong. What is told first may be from before
 * this call; the next failure of the same kind, under another id, is not.
 */
function createRefusal(): (now: EnvironmentView) => void {
  let told: string | undefined;
  return (now) => {
    const wrong = now.trouble.find(({ remedy }) => remedy === 'fix-input');
    if (wrong !== undefined && told !== undefined && wrong.id !== told) throw asError(wrong);
    told ??= wrong?.id;
  };
}

/** What the control plane says about why it cannot, in place of a deadline that says only that it did not. */
function inItsPlace(error: unknown, last: EnvironmentView | undefined): unknown {
  const [told] = last?.trouble ?? [];
  const late = error instanceof TowpathError && error.code === 'wait.deadline';
  return late && told !== undefined ? asError(told) : error;
}

async function startControl(options: LocalOptions, layout: Layout): Promise<void> {
  await ensureDir(layout.dir, 0o711);
  await ensureDir(layout.logs);
  const log = await open(layout.controlLog, 'a', 0o600);
  const argv = [
    ...SERVE_FLAGS,
    BIN,
    'serve',
    '--cwd',
    layout.root,
    ...(options.file === undefined ? [] : ['--config', options.file]),
  ];
  await keepCompiled();
  const child = spawn(process.execPath, argv, { cwd: layout.root, detached: true, stdio: ['ignore', log.fd, log.fd] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await log.close();
  child.unref();
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  const client = clientOf(layout);
  try {
    await until(
      'the control plane answers',
      async (signal) => await client.get('/v1/health', signal).catch(() => undefined),
      { every: 40, within: START_MS, signal: AbortSignal.any([options.signal, gone.signal]) },
    );
  } catch (error) {
    if (!gone.signal.aborted) throw error;
    throw await failureOf(layout);
  }
}

const asError = (body: EnvironmentView['trouble'][number] | ErrorBody): TowpathError =>
  new TowpathError(body.code, body.message, {
    remedy: body.remedy,
    hint: body.hint,
    ...(body.details === undefined ? {} : { details: body.details }),
  });

/**
 * Writes down the code that this process has compiled, which is what `serve` is made of: when the other
 * process has to strip the types of a single file by itself, that costs it 16 MB for good.
 */
async function keepCompiled(): Promise<void> {
  await COMMANDS.find(({ name }) => name === 'serve')?.run();
  flushCompileCache();
}

async function failureOf(layout: Layout): Promise<TowpathError> {
  const text = await readText(layout.failure);
  if (text !== undefined) {
    const body: ErrorBody = JSON.parse(text);
    return asError(body);
  }
  return new TowpathError('control.no_start', 'the control plane ended at once', {
    remedy: 'halt',
    hint: `see the last lines of ${path.relative(process.cwd(), layout.controlLog)}`,
  });
}

/** Stops what `up` started, the instances included. What does not run is a success. */
export async function down(options: LocalOptions): Promise<DownAnswer> {
  const layout = layoutOf(options.root);
  const stopped: string[] = [];
  if ((await readText(layout.anchor)) !== undefined && (await runningControl(layout)) === undefined) {
    // Instances belong to the control plane: one that was killed is started to end them in order.
    await startControl(options, layout).catch(() => {});
  }
  const control = await runningControl(layout);
  if (control !== undefined) {
    options.say('stopping the app and the control plane');
    await clientOf(layout).post('/v1/shutdown', { instances: true }, options.signal);
    await until('the control plane has ended', () => !isAlive(control), {
      every: 50,
      within: STOP_MS,
      signal: options.signal,
    });
    stopped.push('app', 'control plane');
  }
  const environments = layout.environment(options.environment);
  if (await stopRouter(path.join(environments, 'router'), options.signal)) stopped.push('router');
  if (await stopEmbeddedPostgres(layout.postgres, options.signal)) stopped.push('postgres');
  return { stopped };
}
