import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { LOAD_CORE } from './programs.ts';

const execute = promisify(execFile);

export interface Saturation {
  readonly rps: number;
  readonly requests: number;
  readonly errors: number;
}

/** As many requests as go through: wrk, 64 keep-alive connections, browser-like headers. */
export async function saturate(port: number, seconds: number, signal: AbortSignal): Promise<Saturation> {
  const argv = ['-c', String(LOAD_CORE), 'wrk', '-t1', '-c64', `-d${seconds}s`, '--timeout', '10s'];
  const headers = [
    '-H',
    'accept: */*',
    '-H',
    'user-agent: wrk',
    '-H',
    'accept-encoding: gzip',
    '-H',
    'cookie: a=b; c=d',
  ];
  const { stdout } = await execute('taskset', [...argv, ...headers, `http://127.0.0.1:${port}/`], { signal });
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
  const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0);
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  const non2xx = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  const broken = socket === null ? 0 : socket.slice(1).reduce((sum, count) => sum + Number(count), 0);
  return { rps, requests, errors: broken + non2xx };
}

export interface OpenLoop {
  readonly failed: number;
  /** ms */
  readonly p50: number;
  readonly p99: number;
}

/** A fixed rate of requests a second, whatever the answers do. */
export async function openLoop(port: number, rate: number, seconds: number, signal: AbortSignal): Promise<OpenLoop> {
  const file = path.join(import.meta.dirname, 'open-loop.ts');
  const argv = [
    '-c',
    String(LOAD_CORE),
    process.execPath,
    file,
    `http://127.0.0.1:${port}/`,
    String(rate),
    String(seconds),
  ];
  const { stdout } = await execute('taskset', argv, { signal, timeout: (seconds + 30) * 1000 });
  // oxlint-disable-next-line no-unsafe-type-assertion -- printed by open-loop.ts beside this file
  return JSON.parse(stdout) as OpenLoop;
}
