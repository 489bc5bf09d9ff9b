import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import type { Fence, Scope } from '../../kernel/index.ts';
import { identify, isAlive, type Clock, type ProcessIdentity } from '../../system/index.ts';
import type { Acknowledged, ExitFact, Instance, InstanceState } from '../contract.ts';
import { stuck } from '../errors.ts';
import type { Gate } from './fence.ts';
import { instanceEnv, launch } from './launch.ts';
import type { Places } from './places.ts';
import { processesOf } from './procfs.ts';
import { ackSchema, controlSchema, envSchema, readJson, type InstanceRecord, type Records } from './record.ts';
import { wantsRestart } from './restart.ts';
import { endProcesses, killProcesses } from './end.ts';

export interface HouseParts {
  readonly places: Places;
  readonly records: Records;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly nodeBinDir: string;
  readonly home: string;
}

/** A child of this very process, and when its end is written down. */
interface Child {
  readonly identity: ProcessIdentity;
  readonly startedAt: number;
  readonly noted: Promise<void>;
  /** Keeps our event loop up until it has ended: for whoever waits for that. */
  readonly hold: () => void;
}

export type House = ReturnType<typeof createHouse>;

/** The processes of the machine that are ours, and the records that say so. */
export function createHouse(parts: HouseParts) {
  const { places, records, gate, clock } = parts;
  const children = new Map<string, Child>();
  const queues = new Map<string, Promise<unknown>>();
  const dueToMemory = new Set<string>();
  const startedHere = new Set<string>();
  const listeners = new Set<() => void>();
  const wake = (): void => listeners.forEach((listener) => listener());

  /** One after the other for each instance: read its record, act, write it. */
  async function alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = queues.get(id) ?? Promise.resolve();
    const turn = before.then(work, work);
    const settled = turn.then(
      () => {},
      () => {},
    );
    queues.set(id, settled);
    try {
      return await turn;
    } finally {
      if (queues.get(id) === settled) queues.delete(id);
    }
  }

  /** The main process as it runs now. A launch nobody wrote down is found by its mark. */
  function running(record: InstanceRecord): ProcessIdentity | undefined {
    // A child of ours runs until its end is written down: nobody is to see it gone without its exit code.
    const own = children.get(record.id);
    if (own !== undefined) return own.identity;
    if (record.launching) {
      const [found] = processesOf(record.id).filter(({ pid, group }) => pid === group);
      return found === undefined ? undefined : { pid: found.pid, started: found.started };
    }
    return record.process !== undefined && isAlive(record.process) ? record.process : undefined;
  }

  function view(record: InstanceRecord): Instance {
    const { control, ack } = places.instance(record.scope, record.id);
    const identity = running(record);
    const exit = identity === undefined ? exitOf(record) : record.lastExit;
    const acknowledged: Acknowledged | undefined = readJson(ack, ackSchema);
    return {
      id: record.id,
      token: record.token,
      release: record.release,
      group: record.group,
      kind: record.kind,
      state: stateOf(record, identity, exit),
      role: readJson(control, controlSchema)?.role ?? 'standby',
      artifactDigest: record.artifact.digest,
      restarts: record.restarts,
      createdAt: record.createdAt,
      ...(acknowledged === undefined ? {} : { acknowledged }),
      ...(record.port === undefined ? {} : { address: { host: '127.0.0.1', port: record.port } }),
      ...(identity === undefined ? {} : { pid: identity.pid }),
      ...(exit === undefined ? {} : { lastExit: exit }),
    };
  }

  /** The last end; when a process is gone and nobody wrote its end down, that end. */
  function exitOf(record: InstanceRecord): ExitFact | undefined {
    return record.process === undefined ? record.lastExit : { reason: 'unseen', at: clock.now() };
  }

  async function noteEnd(
    scope: Scope,
    id: string,
    pid: number,
    code: number | null,
    signal: string | null,
  ): Promise<void> {
    try {
      await alone(id, async () => {
        const record = records.load(scope, id);
        if (record?.process?.pid !== pid) return;
        const exit: ExitFact = {
          reason: reasonOf(record, signal),
          at: clock.now(),
          ...(code === null ? {} : { code }),
          ...(signal === null ? {} : { signal }),
        };
        await records.saveOrKeep(ended(record, exit));
      });
    } finally {
      dueToMemory.delete(id);
      if (children.get(id)?.identity.pid === pid) children.delete(id);
      wake();
    }
  }

  function reasonOf(record: InstanceRecord, signal: string | null): ExitFact['reason'] {
    if (record.wanted === 'stopped') return 'requested';
    if (dueToMemory.has(record.id)) return 'memory';
    return signal === null ? 'exited' : 'signalled';
  }

  function adoptChild(record: InstanceRecord, child: ChildProcess, pid: number): ProcessIdentity {
    const noted = new Promise<void>((resolve) => {
      // Should even keeping the record fail, supervision finds the process gone: an unseen end.
      child.once('exit', (code, signal) => {
        void noteEnd(record.scope, record.id, pid, code, signal).then(resolve, resolve);
      });
    });
    startedHere.add(record.id);
    const identity = identify(pid) ?? { pid, started: 'ended' };
    children.set(record.id, { identity, startedAt: clock.elapsed(), noted, hold: () => child.ref() });
    return identity;
  }

  return {
    alone,
    running,
    view,
    exitOf,
    /** The child of ours that runs this instance, until its end is written down. */
    child: (id: string) => children.get(id),
    /** Whether this process started it, now or before. */
    startedHere: (id: string) => startedHere.has(id),
    forget: (id: string) => startedHere.delete(id),
    onWake(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    wake,

    /**
     * Spawns the process of a record and returns the record with it. To be called inside `alone`. The
     * record is on disk before the spawn and again after it.
     * @param keep a full disk does not hinder it (restarts); otherwise it fails and kills what it started
     */
    async start(before: InstanceRecord, fence: Fence, keep: boolean): Promise<InstanceRecord> {
      const save = keep ? records.saveOrKeep : records.save;
      const own = places.instance(before.scope, before.id);
      const env = readJson(own.env, envSchema) ?? {};
      const { process: _gone, ...rest } = before;
      const launching: InstanceRecord = { ...rest, launching: true };
      await save(launching);
      // What the process before it said is no answer of this one.
      await rm(own.ack, { force: true });
      const whole = instanceEnv(launching, env, own, parts);
      const child = await launch(launching, whole, own, () => gate.check(before.scope, fence));
      const pid = child.pid ?? 0;
      const identity = adoptChild(launching, child, pid);
      const started: InstanceRecord = { ...launching, launching: false, process: identity };
      try {
        // Had we slept between the check and the spawn, another controller may act by now.
        gate.check(before.scope, fence);
        await save(started);
      } catch (error) {
        await killProcesses({
          instance: before.id,
          identity,
          guard: () => {},
          clock,
          signal: new AbortController().signal,
        });
        throw error;
      }
      wake();
      return started;
    },

    /** Ends the process of an instance and writes that down. Not inside `alone`: it may take long. */
    async end(
      scope: Scope,
      id: string,
      fence: Fence,
      signal: AbortSignal,
      options: { readonly timeoutMs: number; readonly because: 'requested' | 'memory' },
    ): Promise<void> {
      const record = records.load(scope, id);
      const identity = record === undefined ? undefined : running(record);
      if (record === undefined || identity === undefined) return;
      if (options.because === 'memory') dueToMemory.add(id);
      const guard = (): void => gate.check(scope, fence);
      const ending = endProcesses({ instance: id, identity, timeoutMs: options.timeoutMs, guard, clock, signal });
      try {
        await ending;
      } finally {
        if (isAlive(identity)) dueToMemory.delete(id);
      }
      const child = children.get(id);
      if (child !== undefined) {
        child.hold();
        await child.noted;
      }
      await alone(id, async () => {
        const after = records.load(scope, id);
        // An adopted process: nobody tells us its exit code.
        if (after === undefined || (after.process === undefined && !after.launching)) return;
        const now = running(after);
        if (now !== undefined && now.pid !== identity.pid) return;
        if (now !== undefined) throw stuck(`instance ${id} (pid ${identity.pid}) still runs`);
        await records.saveOrKeep(ended(after, { reason: options.because, at: clock.now() }));
      });
      dueToMemory.delete(id);
    },
  };
}

/** The record after an end. */
export function ended(record: InstanceRecord, exit: ExitFact): InstanceRecord {
  const { process: _gone, ...rest } = record;
  return { ...rest, launching: false, lastExit: exit };
}

function stateOf(
  record: InstanceRecord,
  identity: ProcessIdentity | undefined,
  exit: ExitFact | undefined,
): InstanceState {
  if (identity !== undefined) return record.wanted === 'stopped' ? 'stopping' : 'running';
  if (record.wanted === 'stopped') return 'stopped';
  if (record.failed !== undefined) return 'failed';
  if (exit === undefined || record.launching || wantsRestart(record.restart, exit)) return 'starting';
  return exit.reason === 'unseen' || exit.code === 0 ? 'stopped' : 'failed';
}
