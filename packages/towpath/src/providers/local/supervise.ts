import { asTowpathError, type Fence, type Scope } from '../../kernel/index.ts';
import { isAlive, type Clock, type ProcessIdentity } from '../../system/index.ts';
import type { Instance } from '../contract.ts';
import type { Gate } from './fence.ts';
import { ended, type House } from './house.ts';
import { killLeftovers } from './end.ts';
import { napper } from './nap.ts';
import type { Places } from './places.ts';
import { createGroupMemory } from './procfs.ts';
import type { InstanceRecord, Records } from './record.ts';
import { addEnd, afterEnd, noEnds, wantsRestart, type Ends } from './restart.ts';
import { rotate } from './rotate.ts';

/** Something that happened to an instance without anybody asking for it. */
export interface SupervisionEvent {
  readonly scope: Scope;
  readonly instance: Instance;
  readonly event: 'exited' | 'restarted' | 'crash-loop' | 'memory' | 'adopted' | 'trouble';
  /** In words, for people. */
  readonly because: string;
}

export interface SupervisionParts {
  readonly house: House;
  readonly places: Places;
  readonly records: Records;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly onEvent: (event: SupervisionEvent) => void;
  readonly maxLogBytes: number;
}

const LOOK_MS = 500;
const MEASURE_MS = 2000;
/** Measuring may take this share of the time, however many processes the machine has. */
const MEASURE_SHARE = 1 / 300;
/** An instance over its memory limit gets at most this long to end by itself. */
const MEMORY_STOP_MS = 10_000;

/** What supervision remembers of an instance; lost with the controller, as is the count of its ends. */
interface Memory {
  ends: Ends;
  /** The run (its number is `restarts`) whose end was counted. */
  countedRun: number;
  startedAt: number;
  nextStartAt: number;
  /** The process as last seen alive. */
  seen: ProcessIdentity | undefined;
  rests: boolean;
  ending: boolean;
  trouble: string;
}

/** Runs until the signal is aborted. @throws TowpathError `lease.fenced` once a higher epoch is seen */
export async function supervise(
  parts: SupervisionParts,
  scope: Scope,
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const { house, records, gate, clock } = parts;
  gate.admit(scope, fence);
  // Alone: a creation that is under way in this process writes its record first.
  for (const name of records.leftovers(scope)) await house.alone(name, () => records.sweep(scope, name));
  const memories = new Map<string, Memory>();
  const background = new Set<Promise<void>>();
  const over = new AbortController();
  let measureAt = 0;
  const groupMemory = createGroupMemory();
  const emit = (record: InstanceRecord, event: SupervisionEvent['event'], because: string): void =>
    parts.onEvent({ scope, instance: house.view(record), event, because });

  const remember = (id: string): Memory => {
    const memory = memories.get(id) ?? {
      ends: noEnds,
      countedRun: -1,
      startedAt: clock.elapsed(),
      nextStartAt: 0,
      seen: undefined,
      rests: false,
      ending: false,
      trouble: '',
    };
    memories.set(id, memory);
    return memory;
  };

  const attend = async (id: string): Promise<void> => {
    const memory = remember(id);
    const child = house.child(id);
    if (child !== undefined) {
      memory.seen = child.identity;
      memory.startedAt = child.startedAt;
      return;
    }
    // The usual case, without reading the record.
    if (memory.seen !== undefined && isAlive(memory.seen)) return;
    const record = records.load(scope, id);
    if (record === undefined) return;
    const identity = house.running(record);
    if (record.wanted === 'stopped') {
      // A controller before us had begun to stop it.
      if (identity !== undefined) endInBackground(record, memory, record.stopTimeoutMs, 'requested');
      return;
    }
    if (record.failed !== undefined) return;
    if (identity === undefined) return await revive(record, memory);
    memory.seen = identity;
    const adopted: InstanceRecord = { ...record, launching: false, process: identity };
    if (record.launching) await records.saveOrKeep(adopted);
    emit(adopted, 'adopted', `found running as pid ${identity.pid}`);
  };

  const endInBackground = (
    record: InstanceRecord,
    memory: Memory,
    timeoutMs: number,
    because: 'memory' | 'requested',
  ): void => {
    if (memory.ending) return;
    memory.ending = true;
    const work = house
      .end(scope, record.id, fence, AbortSignal.any([signal, over.signal]), { timeoutMs, because })
      .catch(() => {
        // Aborted or fenced: the loop ends for the same reason. Stuck: a later look tries again.
      })
      .finally(() => {
        memory.ending = false;
        background.delete(work);
      });
    background.add(work);
  };

  /** What goes wrong with one instance is said once, and keeps nobody from looking after the others. */
  const calmly = async (id: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      gate.check(scope, fence);
      const { message } = asTowpathError(error);
      const record = records.load(scope, id);
      const memory = remember(id);
      if (record !== undefined && memory.trouble !== message) emit(record, 'trouble', message);
      memory.trouble = message;
    }
  };

  /** It should run and does not: count the end, then start it again, give up, or leave it. */
  const revive = async (record: InstanceRecord, memory: Memory): Promise<void> => {
    const exit = house.exitOf(record);
    if (exit !== undefined && !record.launching) {
      if (memory.rests) return;
      // It ended under a controller before us, which said so.
      const told = memory.seen === undefined && record.process === undefined && !house.startedHere(record.id);
      if (told && !wantsRestart(record.restart, exit)) {
        memory.rests = true;
        return;
      }
      if (memory.countedRun !== record.restarts) {
        memory.countedRun = record.restarts;
        const now = clock.elapsed();
        memory.ends = addEnd(memory.ends, now, now - memory.startedAt);
        // Its children may still hold its port or its jobs.
        killLeftovers(record.id, () => gate.check(scope, fence));
        const after = ended(record, exit);
        const move = afterEnd(record.restart, exit, memory.ends);
        if (move.do === 'give-up') {
          const failed = { ...after, failed: move.because };
          await records.saveOrKeep(failed);
          return emit(failed, 'crash-loop', move.because);
        }
        if (record.process !== undefined) await records.saveOrKeep(after);
        emit(after, 'exited', move.because);
        if (move.do === 'rest') {
          memory.rests = true;
          return;
        }
        memory.nextStartAt = now + move.afterMs;
      }
      if (clock.elapsed() < memory.nextStartAt) return;
    }
    // A launch that was written down and never happened is no restart.
    const unfinished = exit === undefined || record.launching;
    const wanted = unfinished ? record : { ...ended(record, exit), restarts: record.restarts + 1 };
    memory.startedAt = clock.elapsed();
    try {
      const started = await house.start(wanted, fence, true);
      emit(started, 'restarted', unfinished ? 'its start was never finished' : 'it had ended by itself');
    } catch (error) {
      gate.check(scope, fence);
      // As a shell says it: 127, the command cannot be run.
      const failed = ended(wanted, { reason: 'exited', code: 127, at: clock.now() });
      await records.saveOrKeep(failed);
      emit(failed, 'trouble', asTowpathError(error).message);
    }
  };

  const measure = async (): Promise<void> => {
    const from = clock.elapsed();
    const all = records.ids(scope).flatMap((id) => records.load(scope, id) ?? []);
    const limited = all.flatMap((record) =>
      record.memoryMb > 0 && record.process !== undefined ? [record.process.pid] : [],
    );
    const used = limited.length > 0 ? groupMemory(new Set(limited)) : new Map<number, number>();
    for (const record of all) {
      const memory = memories.get(record.id);
      const pid = record.process?.pid;
      if (memory === undefined || memory.ending || pid === undefined || record.wanted === 'stopped') continue;
      if (record.memoryMb <= 0) continue;
      const kb = used.get(pid) ?? 0;
      if (kb <= record.memoryMb * 1024) continue;
      emit(
        record,
        'memory',
        `uses ${Math.round(kb / 1024)} MB of ${record.memoryMb} MB; it is ended and started again`,
      );
      endInBackground(record, memory, Math.min(record.stopTimeoutMs, MEMORY_STOP_MS), 'memory');
    }
    measureAt = clock.elapsed() + Math.max(MEASURE_MS, (clock.elapsed() - from) / MEASURE_SHARE);
    for (const record of all) {
      const own = parts.places.instance(scope, record.id);
      for (const stream of ['out', 'err'] as const) {
        const log = own.log(record.group, record.release, stream);
        await calmly(record.id, async () => void (await rotate(log, parts.maxLogBytes)));
      }
    }
  };

  const nap = napper(signal, (listener) => house.onWake(listener));
  try {
    while (!signal.aborted) {
      gate.check(scope, fence);
      const ids = records.ids(scope);
      for (const id of ids) await calmly(id, () => house.alone(id, () => attend(id)));
      for (const id of memories.keys()) if (!ids.includes(id)) memories.delete(id);
      if (clock.elapsed() >= measureAt) {
        await records.flush();
        await measure();
      }
      await nap.sleep(nextLook(memories, clock));
    }
  } finally {
    nap.close();
    over.abort();
    await Promise.all(background);
  }
}

/** Milliseconds to the next look: sooner when a restart is due. */
function nextLook(memories: ReadonlyMap<string, Memory>, clock: Clock): number {
  const now = clock.elapsed();
  let wait = LOOK_MS;
  for (const { nextStartAt } of memories.values()) {
    if (nextStartAt > now) wait = Math.min(wait, nextStartAt - now);
  }
  return Math.max(wait, 1);
}
