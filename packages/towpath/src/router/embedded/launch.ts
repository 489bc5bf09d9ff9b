import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, open, rename, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TowpathError } from '../../kernel/index.ts';
import {
  ensureDir,
  hasCode,
  identify,
  isAlive,
  listenerOn,
  readText,
  signalProcess,
  sleep,
  until,
  writeAtomic,
} from '../../system/index.ts';
import { callAdmin } from './client.ts';
import { readProcessState, stateFile, type ProcessState } from './place.ts';
import type { RouterSettings } from './settings.ts';
import { freshSnapshot, readSnapshot, writeSnapshot, type Snapshot } from './snapshot.ts';

export interface RouterProcess {
  /** The guardian's; the worker's pid is in RouterState. */
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly alreadyRunning: boolean;
}

export interface EnsureRouterOptions {
  /** The router's own folder: snapshot, state, socket and log. */
  readonly dir: string;
  /** 0: the port of the last time, or any free one. */
  readonly port: number;
  /** Address to listen on; 127.0.0.1 unless told otherwise. */
  readonly host?: string;
  readonly settings?: Partial<RouterSettings>;
  readonly signal: AbortSignal;
}

const START_MS = 10_000;
const STOP_MS = 15_000;
/** A Unix socket's path has room for 107 bytes on Linux and 103 on macOS. */
const SOCKET_PATH_MAX = 100;

const urlOf = (host: string, port: number): string => {
  const local = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${net.isIPv6(local) ? `[${local}]` : local}:${port}`;
};

/**
 * Starts the router of `dir`, detached from the caller, or finds the one that runs. After a kill of
 * its guardian it comes back on the same port with the weights of its snapshot.
 * @throws TowpathError `router.port_taken`, `router.other_port`, `router.bad_snapshot`, `router.no_start`
 */
export async function ensureRouter(options: EnsureRouterOptions): Promise<RouterProcess> {
  const dir = path.resolve(options.dir);
  await ensureDir(dir);
  const release = await lock(path.join(dir, 'starting'), options.signal);
  try {
    const running = await readProcessState(dir);
    if (running !== undefined && isAlive(running.guardian)) {
      if (options.port !== 0 && options.port !== running.port) {
        throw new TowpathError('router.other_port', `the router already runs on port ${running.port}`, {
          remedy: 'fix-input',
          hint: `keep port ${running.port}, or run \`towpath down\` first`,
        });
      }
      await answers(running.socket, dir, options.signal);
      const { guardian, host, port } = running;
      return { pid: guardian.pid, port, url: urlOf(host, port), alreadyRunning: true };
    }
    return await start(dir, options);
  } finally {
    await release();
  }
}

async function start(dir: string, options: EnsureRouterOptions): Promise<RouterProcess> {
  const { signal } = options;
  const old = await readSnapshot(dir);
  const host = options.host ?? old?.host ?? '127.0.0.1';
  const wanted = options.port === 0 ? (old?.port ?? 0) : options.port;
  const socket = socketPath(dir);
  const base: Snapshot = old ?? freshSnapshot(host, wanted);
  const settings = { ...base.settings, ...options.settings };
  await writeSnapshot(dir, { ...base, host, port: wanted, settings });
  // Closing a listening Unix socket unlinks the path it was bound to; the rename saves it from us.
  const bound = `${socket}.${randomBytes(3).toString('hex')}`;
  const admin = await listen({ path: bound });
  const log = await open(path.join(dir, 'router.log'), 'a', 0o600);
  let door: net.Server | undefined;
  try {
    await chmod(bound, 0o600);
    door = await bind(host, wanted, signal);
    const address = door.address();
    const port = typeof address === 'object' && address !== null ? address.port : wanted;
    if (port !== wanted) await writeSnapshot(dir, { ...base, host, port, settings });
    const guardian = path.join(import.meta.dirname, `guardian${path.extname(import.meta.filename)}`);
    // From bind to close in one turn when the port is known: no connection is accepted by us.
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', guardian, dir], {
      cwd: dir,
      detached: true,
      // Nothing of the caller's environment: it may hold secrets, and the router needs none.
      env: { NODE_COMPILE_CACHE: path.join(dir, 'compile-cache') },
      stdio: ['ignore', log.fd, log.fd, descriptorOf(door), descriptorOf(admin)],
    });
    door.close();
    // A failed spawn has no pid; its error event would otherwise be thrown.
    child.on('error', () => {});
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) {
      throw new TowpathError('router.no_start', 'the router process could not be started', {
        remedy: 'halt',
        hint: `see ${path.join(dir, 'router.log')}`,
      });
    }
    await rename(bound, socket);
    admin.close();
    child.unref();
    const state: ProcessState = { guardian: identity, host, port, socket };
    await writeAtomic(stateFile(dir), JSON.stringify(state));
    await answers(socket, dir, signal);
    return { pid: identity.pid, port, url: urlOf(host, port), alreadyRunning: false };
  } finally {
    if (door?.listening) door.close();
    if (admin.listening) admin.close();
    await log.close();
  }
}

/** The descriptor of a listening server, to be inherited. Node has no public name for it. */
function descriptorOf(server: net.Server): number {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new TowpathError('router.no_start', 'this Node gives no descriptor of a listening socket', {
    remedy: 'halt',
    hint: 'use Node 24 on Linux or macOS',
  });
}

async function answers(socket: string, dir: string, signal: AbortSignal): Promise<void> {
  try {
    await until(
      'the router answers',
      (inner) =>
        callAdmin(socket, 'GET', '/state', undefined, inner).then(
          () => true,
          () => false,
        ),
      { every: 20, within: START_MS, signal },
    );
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw new TowpathError('router.no_start', 'the router was started and does not answer', {
      remedy: 'halt',
      hint: `see ${path.join(dir, 'router.log')}`,
      cause,
    });
  }
}

/** A short path when the folder's own would not fit into a socket address. */
function socketPath(dir: string): string {
  const own = path.join(dir, 'admin.sock');
  if (Buffer.byteLength(own) + 7 <= SOCKET_PATH_MAX) return own;
  const digest = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return path.join(tmpdir(), `towpath-${digest}.sock`);
}

function listen(where: net.ListenOptions): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    // Whoever connects in the moment before the handle is passed on is answered by nobody: close.
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ ...where, exclusive: true, backlog: 4096 }, () => resolve(server));
  });
}

/** Binds the public port; waits a little for the worker of a killed guardian to let go of it. */
async function bind(host: string, port: number, signal: AbortSignal): Promise<net.Server> {
  for (let left = 40; ; left--) {
    try {
      return await listen({ host, port });
    } catch (error) {
      if (hasCode(error, 'EACCES', 'EADDRNOTAVAIL')) {
        throw new TowpathError('router.port_refused', `cannot listen on ${host}:${port}`, {
          remedy: 'fix-input',
          hint: 'choose a port above 1023 and an address of this machine in towpath.config.ts',
          cause: error,
        });
      }
      if (!hasCode(error, 'EADDRINUSE')) throw error;
      if (left === 0) {
        const holder = listenerOn(port);
        throw new TowpathError(
          'router.port_taken',
          `port ${port} on ${host} is taken by ${holder ?? 'another program'}`,
          {
            remedy: 'fix-input',
            hint: `stop it${holder === undefined ? ` (\`ss -ltnp 'sport = :${port}'\` names it)` : ''}, and the router takes the port by itself; or set another port in the environment of towpath.config.ts, then \`towpath down\` and \`towpath up\``,
            details: { port, ...(holder === undefined ? {} : { holder }) },
            cause: error,
          },
        );
      }
      await sleep(50, signal);
    }
  }
}

/** Two callers at once must not start two routers. The lock of a process that died is taken over. */
async function lock(file: string, signal: AbortSignal): Promise<() => Promise<void>> {
  const mine = identify(process.pid) ?? { pid: process.pid, started: '' };
  return await until(
    'another start of this router ends',
    async () => {
      try {
        const handle = await open(file, 'wx', 0o600);
        await handle.writeFile(`${mine.pid} ${mine.started}`);
        await handle.close();
        return () => rm(file, { force: true });
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
        const [pid, started] = ((await readText(file)) ?? '').split(' ');
        const half = pid === undefined || pid === '' || started === undefined;
        if (!half && !isAlive({ pid: Number(pid), started })) await rm(file, { force: true });
        return undefined;
      }
    },
    { every: 50, within: START_MS * 2, signal },
  );
}

/**
 * Stops the router of `dir`: requests in flight may end, new ones are no longer taken. True when one
 * ran. Its snapshot stays, so a later start serves the same table.
 */
export async function stopRouter(dir: string, signal?: AbortSignal): Promise<boolean> {
  const state = await readProcessState(path.resolve(dir));
  if (state === undefined) return false;
  const ran = signalProcess(state.guardian, 'SIGTERM');
  if (ran) {
    const options = { every: 20, within: STOP_MS, ...(signal === undefined ? {} : { signal }) };
    try {
      await until('the router stops', () => !isAlive(state.guardian), options);
    } catch (error) {
      signalProcess(state.guardian, 'SIGKILL', { group: true });
      if (signal?.aborted) throw error;
    }
  }
  await rm(stateFile(path.resolve(dir)), { force: true });
  await rm(state.socket, { force: true });
  return ran;
}
