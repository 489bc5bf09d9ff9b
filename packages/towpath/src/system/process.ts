import { readFileSync } from 'node:fs';

/** A process, named so that a reused pid is never mistaken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot (proc(5), stat field 22); '' where /proc is missing. */
  readonly started: string;
}

/** Who runs under this pid now; undefined when nobody, or only a zombie, does. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name stands in parentheses and may hold spaces: count fields after the last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, started: fields[19] ?? '' };
  } catch {
    if (process.platform === 'linux') return undefined;
    try {
      process.kill(pid, 0);
      return { pid, started: '' };
    } catch {
      return undefined;
    }
  }
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started;
}

/** Sends a signal to a process, or to its group; false when it is already gone. */
export function signalProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
  options: { readonly group?: boolean } = {},
): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(options.group ? -identity.pid : identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}
