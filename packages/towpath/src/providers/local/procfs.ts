import { readdirSync, readFileSync } from 'node:fs';

/** A process as proc(5) shows it. */
export interface Seen {
  readonly pid: number;
  readonly group: number;
  /** Clock ticks since boot. */
  readonly started: string;
}

/** How many looks a process that is not ours goes unread; one that was mistaken for such is found then. */
const LOOKS_UNREAD = 15;

/**
 * Resident kB of whole process groups, by their leaders, for looking again and again: of the many other
 * processes of a machine only the new ones are read.
 */
export function createGroupMemory(): (leaders: ReadonlySet<number>) => ReadonlyMap<number, number> {
  let others = new Map<number, number>();
  let looks = 0;
  return (leaders) => {
    if (looks++ % LOOKS_UNREAD === 0) others = new Map();
    const still = new Map<number, number>();
    const sums = new Map<number, number>();
    for (const pid of processIds()) {
      const known = others.get(pid);
      const group = known !== undefined && !leaders.has(known) ? known : see(pid)?.group;
      if (group === undefined) continue;
      if (leaders.has(group)) sums.set(group, (sums.get(group) ?? 0) + residentKb(pid));
      else still.set(pid, group);
    }
    others = still;
    return sums;
  };
}

/** Every living process (no zombies); empty where there is no /proc. About 10 us a process. */
export function livingProcesses(): readonly Seen[] {
  return processIds().flatMap((pid) => see(pid) ?? []);
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc').flatMap((name) => {
      const first = name.charCodeAt(0);
      return first < 48 || first > 57 ? [] : [Number(name)];
    });
  } catch {
    return [];
  }
}

function see(pid: number): Seen | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command name stands in parentheses and may hold spaces: count fields after the last ')'.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, group: Number(fields[2]), started: fields[19] ?? '' };
}

/** Processes whose first environment carries our mark for this instance. */
export function processesOf(instance: string): readonly Seen[] {
  const mark = `TOWPATH_INSTANCE=${instance}`;
  return livingProcesses().filter(
    ({ pid }) => pid !== process.pid && read(`/proc/${pid}/environ`)?.split('\0').includes(mark),
  );
}

/** Resident memory of a process in kB, 0 when it is gone. Pages shared between processes count in each. */
function residentKb(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '');
  return match === null ? 0 : Number(match[1]);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has ended meanwhile, or belongs to somebody else.
    return undefined;
  }
}
