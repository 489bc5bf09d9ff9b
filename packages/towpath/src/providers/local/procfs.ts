import { readdirSync, readFileSync } from 'node:fs';

/** A process as proc(5) shows it. */
export interface Seen {
  readonly pid: number;
  readonly group: number;
  /** Clock ticks since boot. */
  readonly started: string;
}

/** Every living process (no zombies); empty where there is no /proc. About 10 us a process. */
export function livingProcesses(): readonly Seen[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  const seen: Seen[] = [];
  for (const name of names) {
    const first = name.charCodeAt(0);
    if (first < 48 || first > 57) continue;
    const stat = read(`/proc/${name}/stat`);
    if (stat === undefined) continue;
    // The command name stands in parentheses and may hold spaces: count fields after the last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') continue;
    seen.push({ pid: Number(name), group: Number(fields[2]), started: fields[19] ?? '' });
  }
  return seen;
}

/** Processes whose first environment carries our mark for this instance. */
export function processesOf(instance: string): readonly Seen[] {
  const mark = `TOWPATH_INSTANCE=${instance}`;
  return livingProcesses().filter(
    ({ pid }) => pid !== process.pid && read(`/proc/${pid}/environ`)?.split('\0').includes(mark),
  );
}

/** Resident memory of a process in kB, 0 when it is gone. Pages shared between processes count in each. */
export function residentKb(pid: number): number {
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
