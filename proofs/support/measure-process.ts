import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Of an odd number of measurements, the one in the middle. */
export const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;

/** Milliseconds from the start of a command to its end. @throws Error when it ends other than with 0 */
export async function timeCommand(argv: readonly [string, ...string[]], cwd: string): Promise<number> {
  const [command, ...rest] = argv;
  const started = performance.now();
  const child = spawn(command, rest, { cwd, stdio: 'ignore', env: { ...process.env, NO_COLOR: '1' } });
  const code = await ended(child);
  const ms = performance.now() - started;
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${String(code)}`);
  return ms;
}

/**
 * Starts processes of an app together, by hand, and ends them again.
 * @returns milliseconds until the first of them, which gets a port, answers `path` with 200
 */
export async function timeAppStart(
  commands: readonly (readonly [string, ...string[]])[],
  options: { readonly cwd: string; readonly path: string; readonly env: Readonly<Record<string, string>> },
): Promise<number> {
  const port = await freePort();
  const env = { ...process.env, ...options.env, PORT: String(port) };
  const started = performance.now();
  const children = commands.map(([command, ...rest]) =>
    spawn(command, rest, { cwd: options.cwd, env, stdio: 'ignore' }),
  );
  try {
    while ((await answers(port, options.path)) !== 200) {
      if (performance.now() - started > 20_000) throw new Error(`nothing answers ${options.path} within 20 s`);
      await delay(2);
    }
    return performance.now() - started;
  } finally {
    const gone = children.map(ended);
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
  }
}

/** CPU time of a process since its start, in ms; to 10 ms. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // utime and stime, in hundredths of a second; fields are counted after the name, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export async function residentMb(pid: number): Promise<number> {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1]) / 1024;
}

const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve));

const answers = (port: number, path: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    http
      .get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
      .on('error', () => resolve(undefined));
  });

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
