import { chmod, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { createApi, type Served } from '../api/index.ts';
import { loadConfig } from '../config/index.ts';
import { createLedger, fileAnchor } from '../evidence/index.ts';
import { asTowpathError, TowpathError } from '../kernel/index.ts';
import {
  createLog,
  ensureDir,
  identify,
  isAlive,
  migrateOwnSchema,
  openDatabase,
  readText,
  safeUrl,
  systemClock,
  unixRequest,
  until,
  writeAtomic,
  type Log,
  type ProcessIdentity,
} from '../system/index.ts';
import { createCrash } from '../workflow/index.ts';
import { createBuilder, resolveSource } from './builder.ts';
import { openDatabases } from './databases.ts';
import { createLocalEnvironment } from './environment.ts';
import { layoutOf, type Layout } from './layout.ts';
import { createLedgerBell } from './ledger-bell.ts';

export interface ServeOptions {
  readonly root: string;
  readonly file?: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly write: (line: string) => void;
  /** Ends it; instances, router and Postgres go on. */
  readonly signal: AbortSignal;
}

const DEFAULT_LEASE_TTL_MS = 10_000;
const CLAIM_LOOK_MS = 2000;

/** The control plane of one app, until it is told to stop. */
export async function serve(options: ServeOptions): Promise<void> {
  const layout = layoutOf(options.root);
  await ensureDir(layout.dir, 0o711);
  await ensureDir(layout.logs);
  await rm(layout.failure, { force: true });
  try {
    await operate(options, layout);
  } catch (error) {
    await writeAtomic(layout.failure, JSON.stringify(asTowpathError(error).toJSON())).catch(() => {});
    throw error;
  }
}

/**
 * Takes the place of the control plane of this folder. One that runs but does not answer (stopped, hung)
 * is no reason to leave the app alone: this one takes over, and the lease keeps the other from doing
 * anything when it wakes.
 * @throws TowpathError `control.already_running`
 */
async function claim(layout: Layout, log: Log): Promise<ProcessIdentity> {
  const other = await runningControl(layout);
  if (other !== undefined) {
    if (await answers(layout)) {
      throw new TowpathError('control.already_running', `a control plane runs here already, as process ${other.pid}`, {
        remedy: 'fix-input',
        hint: 'use it, or stop it with `towpath down`',
      });
    }
    log.warn('control.takes_over', { from: other.pid, because: 'it does not answer' });
  }
  const identity = identify(process.pid) ?? { pid: process.pid, started: '' };
  await writeAtomic(layout.process, JSON.stringify(identity));
  return identity;
}

const ANSWER_MS = 3000;

/** Whether the control plane of this folder answers on its socket. */
export async function answers(layout: Layout): Promise<boolean> {
  try {
    const socket = path.join(layout.root, layout.socket);
    const answer = await unixRequest({ socket, method: 'GET', path: '/v1/health', timeoutMs: ANSWER_MS });
    for await (const _ of answer.chunks);
    return answer.status === 200;
  } catch {
    return false;
  }
}

async function claimedBy(layout: Layout): Promise<number | undefined> {
  const text = await readText(layout.process);
  if (text === undefined) return undefined;
  const { pid }: Partial<ProcessIdentity> = JSON.parse(text);
  return pid;
}

/** The control plane that runs in this folder, by pid and start time. */
export async function runningControl(layout: Layout): Promise<ProcessIdentity | undefined> {
  const text = await readText(layout.process);
  if (text === undefined) return undefined;
  const { pid, started }: Partial<ProcessIdentity> = JSON.parse(text);
  if (typeof pid !== 'number' || typeof started !== 'string' || pid === process.pid) return undefined;
  return isAlive({ pid, started }) ? { pid, started } : undefined;
}

async function operate(options: ServeOptions, layout: Layout): Promise<void> {
  const { env, version } = options;
  const log = createLog(options.write, systemClock.now);
  // Sockets are named relative to it.
  process.chdir(options.root);
  await claim(layout, log);
  const { config } = await loadConfig(options.root, options.file === undefined ? {} : { file: options.file });
  const stop = new AbortController();
  const shutdown = AbortSignal.any([options.signal, stop.signal]);
  const databases = await openDatabases(layout, config, env, (line) => log.info('postgres', { line }), shutdown);
  const database = openDatabase(databases.control.reveal(), { max: 8, name: 'towpath control' });
  await migrateOwnSchema(database);
  const anchor = fileAnchor(layout.anchor, { everyMs: 200, onError: (error) => log.error('ledger.anchor', error) });
  const ledger = createLedger({ database, now: systemClock.now, anchor });
  const startedAt = new Date(systemClock.now()).toISOString();
  await ledger.record({ kind: 'control.started', body: { pid: process.pid, version } }, { actor: 'control' });

  const parts = {
    layout,
    config,
    database,
    databases,
    ledger,
    builder: createBuilder(layout, log, env),
    log,
    holder: `${os.hostname()} process ${process.pid}, started ${startedAt}`,
    leaseTtlMs: Number(env['TOWPATH_LEASE_TTL_MS'] ?? DEFAULT_LEASE_TTL_MS),
    crash: createCrash(env['TOWPATH_CRASH_AT'], () => process.kill(process.pid, 'SIGKILL')),
  };
  const served = new Map<string, Served>();
  const operations: { ended: Promise<void>; epoch: () => number; local: ReturnType<typeof createLocalEnvironment> }[] =
    [];
  for (const [name, { provider }] of Object.entries(config.environments)) {
    if (provider !== 'local') {
      log.warn('environment.no_driver', { environment: name, provider });
      continue;
    }
    const local = createLocalEnvironment(parts, name);
    const operation = local.environment.operate(shutdown);
    operations.push({ ended: operation.ended, epoch: operation.epoch, local });
    served.set(name, {
      environment: local.environment,
      leads: operation.leads,
      url: local.url,
      testHeader: local.testHeader,
      reportOf: local.reportOf,
    });
  }

  let stopInstances = false;
  const api = createApi({
    app: config.app,
    control: { pid: process.pid, version, startedAt },
    database: safeUrl(databases.control.reveal()),
    environments: served,
    ledger,
    onLedger: createLedgerBell(database, shutdown),
    resolve: resolveSource,
    shutdown(instances) {
      stopInstances = instances;
      // After the answer has left.
      setTimeout(() => stop.abort(), 50);
    },
    log,
  });
  const server = createAdaptorServer({ fetch: api.fetch });
  // Bound under a name of its own and then renamed: the place is never empty, and when a server closes,
  // Node removes the name it was bound under, which must not be that of its successor.
  const bound = path.join(path.dirname(layout.socket), `control.${process.pid}.sock`);
  await rm(bound, { force: true });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(bound, listening.resolve);
  await listening.promise;
  await chmod(bound, 0o600);
  await rename(bound, layout.socket);
  log.info('control.started', { pid: process.pid, version, environments: [...served.keys()] });

  const kept = databases.keep(shutdown);
  const watch = setInterval(() => {
    void claimedBy(layout).then((pid) => {
      // It slept, and another one has taken its place.
      if (pid !== undefined && pid !== process.pid) stop.abort();
    });
  }, CLAIM_LOOK_MS);
  await new Promise<void>((resolve) => {
    if (shutdown.aborted) resolve();
    else shutdown.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(watch);
  log.info('control.stopping', { stopInstances });
  await Promise.all([kept, ...operations.map(({ ended }) => ended)]);
  if (stopInstances) {
    const deadline = AbortSignal.timeout(120_000);
    for (const { local, epoch } of operations) await local.environment.stopAll(epoch(), deadline);
  }
  await anchor.flush();
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  if ((await claimedBy(layout)) === process.pid) {
    await rm(layout.socket, { force: true });
    await rm(layout.process, { force: true });
  }
  await until(
    'the database connections are closed',
    async () => {
      await database.close();
      return true;
    },
    { every: 100, within: 5000 },
  ).catch(() => {});
}
