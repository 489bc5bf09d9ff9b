import { spawn } from 'node:child_process';
import { chown, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import type { Binaries } from './embedded-postgres-binaries.ts';
import type { Place } from './embedded-postgres-place.ts';
import { run } from './exec.ts';
import { openDatabase, sql } from './postgres.ts';
import { until } from './wait.ts';

const START_MS = 60_000;
const LOG_KEEP_BYTES = 16 * 1024 * 1024;

export const superuserUrl = (port: number, password: string): string =>
  `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;

/** Whether the server on this port takes the password and runs on this data. */
export async function answers(port: number, password: string, data: string): Promise<boolean> {
  const database = openDatabase(superuserUrl(port, password), { max: 1, name: 'towpath start' });
  try {
    const [row] = await database.query(sql`select current_setting('data_directory') as data`);
    return row?.['data'] === data;
  } catch {
    return false;
  } finally {
    await database.close();
  }
}

/** A port that nobody listens on now; keep it by binding it soon. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Makes the data folder once; a crash in the middle leaves none. */
export async function initialise(
  place: Place,
  binaries: Binaries,
  password: string,
  durable: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = path.join(place.home, 'data.new');
  const passwordFile = path.join(place.home, 'password.new');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.as !== undefined) await chown(passwordFile, place.as.uid, place.as.gid);
  try {
    let output = '';
    // C.UTF-8 is missing on macOS; C sorts the same.
    for (const locale of ['C.UTF-8', 'C']) {
      await rm(temporary, { recursive: true, force: true });
      const done = await run(
        {
          argv: [
            path.join(binaries.native, 'bin', 'initdb'),
            `--pgdata=${temporary}`,
            '--username=postgres',
            `--pwfile=${passwordFile}`,
            '--auth=scram-sha-256',
            '--encoding=UTF8',
            `--locale=${locale}`,
            '--data-checksums',
            ...(durable ? [] : ['--no-sync']),
          ],
          cwd: place.home,
          env: { LC_ALL: 'C', TZ: 'UTC' },
          timeoutMs: START_MS,
          ...place.as,
        },
        signal,
      );
      output = done.stderr + done.stdout;
      if (done.code === 0) {
        await rename(temporary, path.join(place.home, 'data'));
        return;
      }
      if (!/locale/i.test(output)) break;
    }
    throw startFailed(output, 'initdb', place.home, undefined);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Starts the server detached and waits for its answer. @returns its pid */
export async function start(
  place: Place,
  binaries: Binaries,
  port: number,
  password: string,
  durable: boolean,
  signal: AbortSignal | undefined,
): Promise<number> {
  const data = path.join(place.home, 'data');
  const log = path.join(place.home, 'server.log');
  const size = await stat(log).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_KEEP_BYTES) await rename(log, `${log}.1`);
  const output = await open(log, 'a', 0o600);
  const from = size > LOG_KEEP_BYTES ? 0 : size;
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    // None: its path would have to be short, and the port is the one door.
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const argv = ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])];
  const child = spawn(path.join(binaries.native, 'bin', 'postgres'), argv, {
    cwd: place.home,
    env: { LC_ALL: 'C', TZ: 'UTC' },
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
    ...place.as,
  });
  let ended = false;
  const exit = new Promise<'ended'>((resolve) => {
    const over = (): void => {
      ended = true;
      resolve('ended');
    };
    child.on('error', over);
    child.on('exit', over);
  });
  try {
    await until(
      'Postgres to answer',
      // Whoever else may listen on the port can keep our question waiting; the exit is seen at once.
      () => Promise.race([exit, answers(port, password, data)]),
      { every: 15, within: START_MS, ...(signal === undefined ? {} : { signal }) },
    );
  } catch (error) {
    child.kill('SIGQUIT');
    throw signal?.aborted ? error : startFailed(await tail(log, from), 'the server', place.home, port, error);
  } finally {
    await output.close();
    child.unref();
  }
  if (ended || child.pid === undefined) throw startFailed(await tail(log, from), 'the server', place.home, port);
  return child.pid;
}

async function tail(file: string, from: number): Promise<string> {
  return (await readFile(file)).subarray(from).toString('utf8');
}

function startFailed(
  output: string,
  what: string,
  home: string,
  port: number | undefined,
  cause?: unknown,
): TowpathError {
  const lines = output.trim().split('\n').slice(-12).join('\n');
  const options = { remedy: 'fix-input' as const, cause, details: { output: lines } };
  if (/No space left on device/i.test(output)) {
    return new TowpathError('postgres.disk_full', `the embedded Postgres cannot start: the disk of ${home} is full`, {
      ...options,
      hint: `free space on that volume (df -h ${home}), then repeat the command`,
    });
  }
  if (/Address already in use/i.test(output)) {
    return new TowpathError('postgres.port_taken', `another program listens on port ${port} of the embedded Postgres`, {
      ...options,
      hint: 'stop that program, or remove server.json beside the password file to take another port',
    });
  }
  return new TowpathError('postgres.start_failed', `${what} of the embedded Postgres did not start:\n${lines}`, {
    ...options,
    hint: `read ${path.join(home, 'server.log')}`,
  });
}
