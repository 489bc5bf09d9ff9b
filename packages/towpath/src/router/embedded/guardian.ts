/**
 * Holds the router's listening sockets (fd 3 public, fd 4 admin) and keeps one worker running on
 * them: `node guardian.ts <dir>`. It never accepts and loads nothing, so it has no reason to die;
 * while a killed worker is replaced, connections wait in the kernel's backlog.
 *
 * Not node:cluster: its primary closes a shared handle when the last worker that used it is gone,
 * and then connections are refused during a restart.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';

const [, , dir = '.'] = process.argv;
const worker = path.join(import.meta.dirname, `worker${path.extname(import.meta.filename)}`);
let child: ChildProcess | undefined;
let stopping = false;
let quickDeaths = 0;

function start(): void {
  const startedAt = performance.now();
  child = spawn(process.execPath, [...process.execArgv, worker, dir], {
    stdio: ['ignore', 'inherit', 'inherit', 3, 4, 'ipc'],
  });
  let ended = false;
  const onEnd = (why: string): void => {
    if (ended) return;
    ended = true;
    if (stopping) process.exit(0);
    // A worker that had served is replaced at once; one that cannot start is tried ever more slowly.
    quickDeaths = performance.now() - startedAt > 2000 ? 0 : quickDeaths + 1;
    process.stderr.write(`router worker ended (${why})\n`);
    setTimeout(start, quickDeaths <= 2 ? 0 : Math.min(2000, 50 * 2 ** quickDeaths));
  };
  child.on('error', (error) => onEnd(error.message));
  child.on('exit', (code, signal) => onEnd(signal ?? `exit ${code ?? 0}`));
}

function stop(): void {
  stopping = true;
  if (child?.exitCode !== null || !child.kill('SIGTERM')) process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('SIGHUP', () => {});
start();
