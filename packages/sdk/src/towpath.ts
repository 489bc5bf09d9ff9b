import { watchControl, type ControlWatch } from './control.ts';
import { createReadiness, type Checks, type Readiness } from './health.ts';
import { replaceFile, type Role } from './protocol.ts';
import { installShutdown, type ShutdownHook, type ShutdownOptions } from './shutdown.ts';
import { readTick, type Tick } from './tick.ts';
import { runWorkLoop, type WorkLoop } from './work-loop.ts';

/** Between two answers that say nothing but a new number of jobs in hand. */
const QUIET_MS = 500;

/** An instance's view of Towpath. Without Towpath everything works and the role is always active. */
export interface Towpath {
  /** Whether Towpath runs this instance. */
  readonly managed: boolean;
  /** Number of the release, `0` without Towpath. */
  readonly release: string;
  readonly instance: string;
  /** Name of the process group. */
  readonly group: string;
  /** What this instance is to be now. After SIGTERM it is `draining` for good. */
  role(): Role;
  /** Resolves when the role is active; rejects with the signal's reason, or when the process is to stop. */
  whenActive(signal?: AbortSignal): Promise<void>;
  /**
   * Aborted when this instance shall take nothing new: its role became draining, or SIGTERM arrived. An
   * aborted rollout puts it back to work; from then on this is a fresh signal, so read it each time.
   */
  readonly draining: AbortSignal;
  /** Aborted once the process was asked to end. */
  readonly stopping: AbortSignal;
  /**
   * Called with every new role. Towpath is told that work has stopped only when the promises returned here
   * are settled, so this is the place to stop a queue library. @returns stops listening
   */
  onRole(listener: (role: Role) => void | Promise<void>): () => void;
  /** Counts a job in hand while it runs; a drain waits for it. */
  track<T>(job: () => Promise<T>): Promise<T>;
  /**
   * Looks for a job, only while active. Towpath is not told `draining` while a look is under way, and
   * what it found counts as in hand until `done` is called.
   */
  claim<T>(look: () => Promise<T | undefined>): Promise<{ readonly job: T; done(): void } | undefined>;
  /** Claims and works while active, finishes what it has when draining, returns when the process is to stop. */
  workLoop<T>(loop: WorkLoop<T>): Promise<void>;
  /**
   * Tells Towpath that this instance can be given work; a rollout waits for it. Waiting for one's turn
   * (`whenActive`, `workLoop`) says it too.
   */
  ready(): void;
  /** A readiness answer for node:http, hono or express; 503 while stopping. */
  readiness(checks?: Checks, options?: { readonly timeoutMs?: number }): Readiness;
  /** On SIGTERM or SIGINT: take nothing new, finish the jobs in hand, run the hooks in order, exit 0. */
  shutdown(hooks: readonly ShutdownHook[], options?: ShutdownOptions): void;
  /** The tick this cron run is for; undefined when it was started by hand. */
  tick(): Tick | undefined;
}

/** @internal the parts of the process, exchangeable in tests */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly say: (line: string) => void;
}

/** @internal */
export function createTowpath({ env, say }: Surroundings): Towpath & { close(): void } {
  const managed = (env['TOWPATH_INSTANCE'] ?? '') !== '';
  const controlFile = managed ? env['TOWPATH_CONTROL_FILE'] : undefined;
  const ackFile = managed ? env['TOWPATH_ACK_FILE'] : undefined;
  if (!managed) say('towpath sdk: not managed; role is always active');

  const said = new Set<string>();
  const problem = (message: string): void => {
    if (said.has(message)) return;
    said.add(message);
    say(`towpath sdk: ${message}`);
  };

  const stop = new AbortController();
  let drain = new AbortController();
  let isReady = false;
  let inFlight = 0;
  let looking = 0;
  const listeners = new Set<(role: Role) => void | Promise<void>>();
  const waiters = new Set<() => void>();

  const control: ControlWatch | undefined =
    controlFile === undefined
      ? undefined
      : watchControl(controlFile, { changed: () => roleChanged(), looked: () => retryAnswer(), problem });

  const wanted = (): Role => {
    if (stop.signal.aborted) return 'draining';
    return control === undefined ? 'active' : (control.current()?.role ?? 'standby');
  };

  // What was told to Towpath last. It trails `wanted` by the looks and listeners still under way.
  let settled: Role = wanted();
  let unanswered = false;
  let quiet: NodeJS.Timeout | undefined;

  const answer = (): void => {
    clearTimeout(quiet);
    quiet = undefined;
    if (ackFile === undefined) return;
    try {
      replaceFile(ackFile, JSON.stringify({ role: settled, inFlight, ready: isReady, at: Date.now() }));
      unanswered = false;
    } catch (error) {
      unanswered = true;
      problem(`cannot answer Towpath: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const retryAnswer = (): void => {
    if (unanswered) answer();
  };

  let told: Role = settled;
  let settling = false;
  const settle = async (): Promise<void> => {
    if (settling) return;
    settling = true;
    try {
      while (told !== wanted() || settled !== wanted()) {
        const target = wanted();
        if (told !== target) {
          told = target;
          for (const outcome of await Promise.allSettled([...listeners].map(async (listener) => listener(target)))) {
            if (outcome.status === 'rejected') problem(`a role listener failed: ${String(outcome.reason)}`);
          }
        }
        // A look that began while active may still find a job: the answer waits for it.
        while (target !== 'active' && looking > 0) await new Promise<void>((resolve) => waiters.add(resolve));
        if (target !== wanted() || settled === target) continue;
        settled = target;
        answer();
      }
    } finally {
      settling = false;
    }
  };
  const wake = (): void => {
    const all = [...waiters];
    waiters.clear();
    for (const resume of all) resume();
  };
  let before = wanted();
  const roleChanged = (): void => {
    const now = wanted();
    if (now === before) return;
    before = now;
    if (now === 'draining') drain.abort(new Error('draining'));
    else if (drain.signal.aborted) drain = new AbortController();
    if (now === 'active' && settled !== 'active') {
      // Said before the first claim: an old answer must never be taken for "nothing is claimed here".
      settled = 'active';
      answer();
    }
    wake();
    void settle();
  };
  if (before === 'draining') drain.abort(new Error('draining'));

  const finished = (): void => {
    inFlight--;
    if (inFlight === 0) wake();
    if (inFlight === 0 && settled !== 'active') answer();
    else if (ackFile !== undefined) quiet ??= setTimeout(answer, QUIET_MS).unref();
  };

  /** Waits until something may have changed. */
  const change = async (signal?: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => resolve();
    waiters.add(end);
    signal?.addEventListener('abort', end, { once: true });
    control?.hold();
    try {
      await promise;
    } finally {
      control?.release();
      waiters.delete(end);
      signal?.removeEventListener('abort', end);
    }
  };

  const tow: Towpath & { close(): void } = {
    managed,
    release: env['TOWPATH_RELEASE'] ?? '0',
    instance: env['TOWPATH_INSTANCE'] ?? 'unmanaged',
    group: env['TOWPATH_GROUP'] ?? 'unmanaged',
    role: wanted,
    get draining() {
      return drain.signal;
    },
    stopping: stop.signal,
    async whenActive(signal) {
      tow.ready();
      for (;;) {
        signal?.throwIfAborted();
        stop.signal.throwIfAborted();
        if (wanted() === 'active') return;
        await change(signal);
      }
    },
    onRole(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async track(job) {
      inFlight++;
      try {
        return await job();
      } finally {
        finished();
      }
    },
    async claim(look) {
      if (wanted() !== 'active') return undefined;
      looking++;
      try {
        const job = await look();
        if (job === undefined) return undefined;
        inFlight++;
        let open = true;
        return {
          job,
          done: () => {
            if (open) finished();
            open = false;
          },
        };
      } finally {
        looking--;
        if (looking === 0) wake();
      }
    },
    workLoop(loop) {
      tow.ready();
      return runWorkLoop(tow, loop, say);
    },
    ready() {
      if (isReady) return;
      isReady = true;
      answer();
    },
    readiness: (checks = {}, options = {}) => createReadiness(checks, stop.signal, options.timeoutMs ?? 2000),
    shutdown(hooks, options) {
      installShutdown(hooks, options ?? {}, {
        say,
        begin() {
          stop.abort(new Error('the process was asked to stop'));
          roleChanged();
          wake();
        },
        async idle() {
          while (inFlight > 0 || settling) await new Promise((resolve) => setTimeout(resolve, 10));
        },
      });
    },
    tick: () => readTick(env, problem),
    close() {
      control?.close();
      clearTimeout(quiet);
    },
  };
  answer();
  return tow;
}

let instance: Towpath | undefined;

/** This process's handle; the same one every time. */
export function towpath(): Towpath {
  // console, for it swallows a write that fails: a log on a full disk must not end the app.
  // oxlint-disable-next-line no-console -- see above
  instance ??= createTowpath({ env: process.env, say: (line) => console.error(line) });
  return instance;
}
