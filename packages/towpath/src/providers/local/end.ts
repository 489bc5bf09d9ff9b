import { isAlive, sleep, type Clock, type ProcessIdentity } from '../../system/index.ts';
import { stuck } from '../errors.ts';
import { livingProcesses, processesOf } from './procfs.ts';

const LOOK_MS = 20;
/** After SIGKILL only a process in an uninterruptible wait (a dead disk, say) is still there. */
const KILLED_WITHIN_MS = 5000;

export interface Ending {
  readonly instance: string;
  readonly identity: ProcessIdentity;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly timeoutMs: number;
  /** Throws when we must not act any more; called right before each signal. */
  readonly guard: () => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Ends an instance with all it has started: SIGTERM to the group of its main process and to children
 * that left the group, then SIGKILL to whatever is left after the timeout. Resolves when none of it runs.
 * A shell as the main process ends at once; its children still get the whole time.
 * @throws TowpathError `provider.stuck`, or what the guard throws
 */
export async function endProcesses(ending: Ending): Promise<void> {
  const { identity, instance, clock } = ending;
  const deadline = clock.elapsed() + ending.timeoutMs;
  ending.guard();
  if (isAlive(identity)) {
    signalAll(identity.pid, instance, 'SIGTERM');
    // A stopped process (SIGSTOP) takes its SIGTERM only once it goes on.
    signalAll(identity.pid, instance, 'SIGCONT');
  }
  while (clock.elapsed() < deadline) {
    if (isOver(identity, instance)) return;
    await sleep(Math.min(LOOK_MS, Math.max(deadline - clock.elapsed(), 1)), ending.signal);
  }
  await killProcesses(ending);
}

/** SIGKILL to all of it. Errors as `endProcesses`. */
export async function killProcesses(ending: Omit<Ending, 'timeoutMs'>): Promise<void> {
  const { identity, instance, clock } = ending;
  const deadline = clock.elapsed() + KILLED_WITHIN_MS;
  while (!isOver(identity, instance)) {
    if (clock.elapsed() > deadline) throw stuck(`instance ${instance} (pid ${identity.pid}) outlived SIGKILL`);
    ending.guard();
    signalAll(identity.pid, instance, 'SIGKILL');
    await sleep(LOOK_MS, ending.signal);
  }
}

/** Kills what an instance left behind when its main process is long gone: only what carries its mark. */
export function killLeftovers(instance: string, guard: () => void): number {
  const left = processesOf(instance);
  if (left.length > 0) guard();
  for (const { pid } of left) send(pid, 'SIGKILL');
  return left.length;
}

function signalAll(group: number, instance: string, signal: NodeJS.Signals): void {
  send(-group, signal);
  for (const process of processesOf(instance)) if (process.group !== group) send(process.pid, signal);
}

/**
 * Linux does not give a pid out again while it names a process group, and we have seen the leader
 * alive moments ago, so members of the group are ours. Zombies nobody reaps do not count.
 */
function isOver(identity: ProcessIdentity, instance: string): boolean {
  if (isAlive(identity)) return false;
  if (send(-identity.pid, 0)) {
    if (process.platform !== 'linux') return false;
    if (livingProcesses().some(({ group }) => group === identity.pid)) return false;
  }
  return processesOf(instance).length === 0;
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
