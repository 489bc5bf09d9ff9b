import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Fence, Scope } from '../../kernel/index.ts';
import { ensureDir, systemClock, writeAtomic, type Clock } from '../../system/index.ts';
import type { InstanceSpec, Provider } from '../contract.ts';
import { gone } from '../errors.ts';
import { killLeftovers } from './end.ts';
import { createGate } from './fence.ts';
import { createHouse } from './house.ts';
import { revealed } from './launch.ts';
import { readLogs } from './logs.ts';
import { createPlaces, explainWriteError } from './places.ts';
import { claimPort, freePort } from './port.ts';
import { createRecords, type InstanceRecord } from './record.ts';
import { pruneLogs } from './rotate.ts';
import { supervise, type SupervisionEvent } from './supervise.ts';

export interface LocalProviderOptions {
  /** Where records and logs are kept; see places.ts. Made with mode 0700 when missing. */
  readonly dir: string;
  readonly clock?: Clock;
  /** Stands first on the PATH of instances; the folder of our own node when not said. */
  readonly nodeBinDir?: string;
  /** HOME of the instances; ours when not said. */
  readonly home?: string;
  /** A log file is rotated above this size; 10 MB when not said. */
  readonly maxLogBytes?: number;
  readonly onEvent?: (event: SupervisionEvent) => void;
}

const MAX_LOG_BYTES = 10 * 1024 * 1024;

/**
 * Instances as detached processes of this machine. They outlive the controller; the next one adopts
 * them by pid and start time, or by the mark in their environment when the controller died between a
 * spawn and its record.
 *
 * Secrets: an instance that ends by itself must start again after a controller restart, so its
 * environment, values included, is kept in `env.json` beside its record, readable by the owner alone,
 * until the instance is destroyed. It stands nowhere else, neither in argv nor in the record.
 *
 * Exit codes of adopted processes are not known (`unseen`). Memory limits and the mark need /proc
 * (Linux); elsewhere instances run without them.
 */
export function createLocalProvider(options: LocalProviderOptions): Provider {
  const clock = options.clock ?? systemClock;
  const places = createPlaces(options.dir);
  const records = createRecords(places);
  const gate = createGate(places);
  const nodeBinDir = options.nodeBinDir ?? path.dirname(process.execPath);
  const house = createHouse({ places, records, gate, clock, nodeBinDir, home: options.home ?? os.homedir() });
  const promised = new Set<number>();

  const choosePort = async (spec: InstanceSpec): Promise<number | undefined> => {
    if (spec.kind !== 'web') return undefined;
    if (spec.port !== undefined && spec.port !== 0) return await claimPort(spec.port, spec.group);
    const taken = new Set(promised);
    for (const id of records.ids(spec.scope)) {
      const port = records.load(spec.scope, id)?.port;
      if (port !== undefined) taken.add(port);
    }
    return await freePort(taken);
  };

  const writeRole = async (scope: Scope, id: string, role: InstanceSpec['role'], epoch: number): Promise<void> => {
    const own = places.instance(scope, id);
    try {
      await writeAtomic(own.control, `${JSON.stringify({ role, epoch, at: clock.now() })}\n`);
    } catch (error) {
      throw explainWriteError(error, own.dir);
    }
  };

  const make = async (spec: InstanceSpec, port: number | undefined, fence: Fence): Promise<InstanceRecord> => {
    const { scope, group, release } = spec;
    const id = `${group.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}-${release}-${randomBytes(4).toString('hex')}`;
    const own = places.instance(scope, id);
    const record: InstanceRecord = {
      version: 1,
      id,
      token: spec.token,
      scope: { app: scope.app, environment: scope.environment },
      release,
      group,
      kind: spec.kind,
      artifact: { digest: spec.artifact.digest, location: spec.artifact.location },
      command: [...spec.command],
      memoryMb: spec.memoryMb,
      restart: spec.restart,
      stopTimeoutMs: spec.stopTimeoutMs,
      ...(port === undefined ? {} : { port }),
      createdAt: clock.now(),
      wanted: 'running',
      launching: false,
      restarts: 0,
    };
    return await house.alone(id, async () => {
      try {
        await ensureDir(own.dir);
        await writeAtomic(own.env, JSON.stringify(revealed(spec.env)));
        await writeRole(scope, id, spec.role, fence.epoch);
        return await house.start(record, fence, false);
      } catch (error) {
        await records.forget(scope, id);
        house.forget(id);
        for (const stream of ['out', 'err'] as const) await rm(own.log(group, release, stream), { force: true });
        throw explainWriteError(error, own.dir);
      }
    });
  };

  /** Says so in the record first: supervision must not start again what is being ended. */
  const wantStopped = async (scope: Scope, id: string): Promise<InstanceRecord | undefined> =>
    await house.alone(id, async () => {
      const record = records.load(scope, id);
      if (record === undefined || record.wanted === 'stopped') return record;
      const stopped: InstanceRecord = { ...record, wanted: 'stopped' };
      await records.saveOrKeep(stopped);
      return stopped;
    });

  const stop = async (scope: Scope, id: string, fence: Fence, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    gate.admit(scope, fence);
    const record = await wantStopped(scope, id);
    if (record === undefined) return;
    await house.end(scope, id, fence, signal, { timeoutMs: record.stopTimeoutMs, because: 'requested' });
    killLeftovers(id, () => gate.check(scope, fence));
  };

  return {
    name: 'local',
    limits: { listLagMs: 0 },
    async list(scope, signal) {
      signal.throwIfAborted();
      return records
        .ids(scope)
        .flatMap((id) => records.load(scope, id) ?? [])
        .map((record) => house.view(record))
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    },
    async get(scope, id, signal) {
      signal.throwIfAborted();
      const record = records.load(scope, id);
      return record === undefined ? undefined : house.view(record);
    },
    async create(spec, fence, signal) {
      signal.throwIfAborted();
      gate.admit(spec.scope, fence);
      const port = await choosePort(spec);
      if (port !== undefined) promised.add(port);
      try {
        return house.view(await make(spec, port, fence));
      } finally {
        if (port !== undefined) promised.delete(port);
      }
    },
    async setRole(scope, id, role, fence, signal) {
      signal.throwIfAborted();
      gate.admit(scope, fence);
      await house.alone(id, async () => {
        if (records.load(scope, id) === undefined) throw gone(`there is no instance ${id}`);
        gate.check(scope, fence);
        await writeRole(scope, id, role, fence.epoch);
      });
    },
    stop,
    async destroy(scope, id, fence, signal) {
      await stop(scope, id, fence, signal);
      await house.alone(id, async () => {
        const record = records.load(scope, id);
        gate.check(scope, fence);
        await records.forget(scope, id);
        house.forget(id);
        if (record === undefined) return;
        const groupLogs = path.dirname(places.instance(scope, id).log(record.group, record.release, 'out'));
        await pruneLogs(groupLogs, new Set(records.ids(scope)));
      });
    },
    logs: (scope, query, signal) => readLogs(places, scope, query, clock, signal),
    supervise: (scope, fence, signal) =>
      supervise(
        {
          house,
          places,
          records,
          gate,
          clock,
          onEvent: options.onEvent ?? ((): void => {}),
          maxLogBytes: options.maxLogBytes ?? MAX_LOG_BYTES,
        },
        scope,
        fence,
        signal,
      ),
  };
}
