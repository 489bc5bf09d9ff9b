import { spawn } from 'node:child_process';
import { TowpathError } from '../kernel/index.ts';

/** A command is data until the last moment: argv, never a shell line. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  /** The whole environment of the child; secrets go here or to stdin, never in argv. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly timeoutMs: number;
  /** Called with each chunk of stdout and stderr. */
  readonly onOutput?: (chunk: string) => void;
  readonly uid?: number;
  readonly gid?: number;
}

export interface Executed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

const KEEP = 4 * 1024 * 1024;

/**
 * Runs a command to its end, whatever its exit code. Its whole process group is killed at the
 * deadline or on abort.
 * @throws TowpathError `exec.not_found`, `exec.deadline`
 */
export async function run(command: Command, signal?: AbortSignal): Promise<Executed> {
  signal?.throwIfAborted();
  const [file, ...args] = command.argv;
  const started = performance.now();
  return await new Promise<Executed>((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: command.cwd,
      env: command.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      ...(command.uid === undefined ? {} : { uid: command.uid }),
      ...(command.gid === undefined ? {} : { gid: command.gid }),
    });
    let stdout = '';
    let stderr = '';
    let ended: 'deadline' | 'aborted' | undefined;
    const kill = (why: 'deadline' | 'aborted'): void => {
      ended ??= why;
      if (child.pid !== undefined) {
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // It has just ended by itself.
        }
      }
    };
    const timer = setTimeout(() => kill('deadline'), command.timeoutMs);
    const onAbort = (): void => kill('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(-KEEP);
      command.onOutput?.(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-KEEP);
      command.onOutput?.(chunk);
    });
    child.on('error', (cause) => {
      done();
      reject(
        new TowpathError('exec.not_found', `cannot run ${file}: ${cause.message}`, {
          remedy: 'fix-input',
          hint: `install ${file} or put it on the PATH`,
          cause,
        }),
      );
    });
    child.on('close', (code) => {
      done();
      if (ended === 'aborted') return reject(signal?.reason);
      if (ended === 'deadline') {
        return reject(
          new TowpathError('exec.deadline', `${file} did not end within ${command.timeoutMs} ms`, {
            remedy: 'undo',
            hint: 'see its output; raise the timeout if the work is really that long',
            details: { stderr: stderr.slice(-2000) },
          }),
        );
      }
      resolve({ code: code ?? 1, stdout, stderr, ms: performance.now() - started });
    });
    child.stdin.on('error', () => {
      // The child may end without reading its input; its exit code tells the rest.
    });
    child.stdin.end(command.input ?? '');
  });
}
