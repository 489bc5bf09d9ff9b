import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TowpathError, type Secret } from '../../kernel/index.ts';
import { explainWriteError, type InstancePlaces } from './places.ts';
import type { InstanceRecord } from './record.ts';

/** Instances give way to the router and the control plane when the machine is busy. */
const NICE = 5;
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The environment's values in the open: for the child, and for the file that restarts need. */
export function revealed(env: Readonly<Record<string, string | Secret>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, typeof value === 'string' ? value : value.reveal()]),
  );
}

/**
 * The whole environment of an instance; nothing of ours leaks in. The app's own values win over the
 * general ones (HOME, TZ, LANG, HOST), never over those that say who it is.
 */
export function instanceEnv(
  record: InstanceRecord,
  own: Readonly<Record<string, string>>,
  places: InstancePlaces,
  options: { readonly nodeBinDir: string; readonly home: string },
): Record<string, string> {
  const search = [
    options.nodeBinDir,
    path.join(record.artifact.location, 'node_modules', '.bin'),
    ...(own['PATH'] === undefined ? SYSTEM_PATH : [own['PATH']]),
  ];
  return {
    HOME: options.home,
    TZ: 'UTC',
    LANG: 'C.UTF-8',
    HOST: '127.0.0.1',
    ...own,
    PATH: search.join(path.delimiter),
    ...(record.port === undefined ? {} : { PORT: String(record.port) }),
    TOWPATH_INSTANCE: record.id,
    TOWPATH_APP: record.scope.app,
    TOWPATH_ENVIRONMENT: record.scope.environment,
    TOWPATH_RELEASE: String(record.release),
    TOWPATH_GROUP: record.group,
    TOWPATH_CONTROL_FILE: places.control,
    TOWPATH_ACK_FILE: places.ack,
  };
}

/**
 * Starts the process: its own session and group, output appended to its log files, not held by our
 * event loop. `guard` is called with nothing between it and the spawn.
 * @throws TowpathError `provider.cannot_start`, `provider.disk_full`, or what the guard throws
 */
export async function launch(
  record: InstanceRecord,
  env: Readonly<Record<string, string>>,
  places: InstancePlaces,
  guard: () => void,
): Promise<ChildProcess> {
  const [file, ...args] = record.command;
  const opened: number[] = [];
  const openLog = (stream: 'out' | 'err'): number => {
    const log = places.log(record.group, record.release, stream);
    mkdirSync(path.dirname(log), { recursive: true, mode: 0o700 });
    const fd = openSync(log, 'a', 0o600);
    opened.push(fd);
    return fd;
  };
  let child: ChildProcess;
  try {
    const out = openLog('out');
    const err = openLog('err');
    guard();
    child = spawn(file, args, {
      cwd: record.artifact.location,
      env: { ...env },
      detached: true,
      stdio: ['ignore', out, err],
    });
  } catch (error) {
    throw explainWriteError(error, places.dir);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
  if (child.pid === undefined) {
    // 'error' comes in the next turn of the loop.
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw new TowpathError(
      'provider.cannot_start',
      `cannot start ${file} in ${record.artifact.location}: ${cause.message}`,
      {
        remedy: 'undo',
        hint: `check the command of group ${record.group} in towpath.config.ts, and that the build contains it`,
        cause,
      },
    );
  }
  child.on('error', () => {
    // Of a running child it only tells that a signal could not be sent; its exit tells the rest.
  });
  child.unref();
  try {
    // At once: threads that it starts later inherit it.
    os.setPriority(child.pid, NICE);
  } catch {
    // It has already ended, or runs with a lower priority than we may give.
  }
  return child;
}
