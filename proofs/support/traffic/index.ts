/**
 * Mixed traffic with exact accounting, from a process of its own so that stalls of the measuring
 * process do not distort what is measured.
 *
 *   const traffic = await startTraffic({ url, rps: 200, signal });
 *   await traffic.mark('swap');
 *   ...
 *   const { sent, failed, resets } = await traffic.stop();
 */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Asked, Told } from './messages.ts';
import type { Counters, TrafficOptions } from './model.ts';

export type { Counters, Failure, Kind, Latency, Mix, ReleaseCount, TrafficOptions } from './model.ts';

export interface Traffic {
  /** As of now. */
  counters(): Promise<Counters>;
  /** Latencies of what is sent from now on are also counted under `windows[name]`, until the next mark. */
  mark(window: string | undefined): Promise<void>;
  /** Sends nothing more, waits for what is in flight, and ends the process. Can be called again. */
  stop(): Promise<Counters>;
}

const ANSWER_MS = 10_000;

/**
 * Starts to send. Aborting the signal ends the process at once, without the last figures.
 * @throws Error when the process cannot be started, or ends before it was asked to
 */
export async function startTraffic(options: TrafficOptions & { readonly signal: AbortSignal }): Promise<Traffic> {
  const { signal, ...rest } = options;
  signal.throwIfAborted();
  const child = fork(path.join(import.meta.dirname, 'process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ask = asker(child, signal);
  const kill = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let stopped: Promise<Counters> | undefined;

  const stop = async (): Promise<Counters> => {
    try {
      const longest = (rest.timeoutMs ?? 15_000) + (rest.slowMs ?? 5000);
      return await ask({ ask: 'stop' }, longest + ANSWER_MS);
    } finally {
      signal.removeEventListener('abort', kill);
      kill();
      await gone;
    }
  };
  try {
    await ask({ ask: 'start', options: rest }, ANSWER_MS);
  } catch (error) {
    kill();
    throw error;
  }
  return {
    counters: () => stopped ?? ask({ ask: 'counters' }, ANSWER_MS),
    async mark(window) {
      await ask({ ask: 'mark', window }, ANSWER_MS);
    },
    stop: () => (stopped ??= stop()),
  };
}

type Question = Asked extends infer Q ? (Q extends Asked ? Omit<Q, 'id'> : never) : never;

/** Questions and answers over IPC, each with a deadline. */
function asker(child: ChildProcess, signal: AbortSignal): (question: Question, withinMs: number) => Promise<Counters> {
  const open = new Map<number, { resolve: (counters: Counters) => void; reject: (error: unknown) => void }>();
  let ended: string | undefined;
  let ids = 0;
  child.on('message', ({ id, counters }: Told) => {
    if (counters !== undefined) open.get(id)?.resolve(counters);
    open.delete(id);
  });
  const fail = (why: string): void => {
    ended ??= why;
    for (const { reject } of open.values()) reject(signal.aborted ? signal.reason : new Error(why));
    open.clear();
  };
  child.on('error', (error) => fail(`the traffic process: ${error.message}`));
  child.on('exit', (code, by) => fail(`the traffic process ended by itself (${by ?? code})`));
  return async (question, withinMs) => {
    if (signal.aborted) throw signal.reason;
    if (ended !== undefined) throw new Error(ended);
    const id = ids++;
    return await new Promise<Counters>((resolve, reject) => {
      const timer = setTimeout(() => {
        open.delete(id);
        reject(new Error(`the traffic process did not answer "${question.ask}" within ${withinMs} ms`));
      }, withinMs);
      const done =
        <T>(act: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          act(value);
        };
      open.set(id, { resolve: done(resolve), reject: done(reject) });
      child.send({ id, ...question });
    });
  };
}
