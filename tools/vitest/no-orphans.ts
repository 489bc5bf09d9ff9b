/**
 * Fails a test file that ends with child processes of its own still running, and ends them. It looks
 * once per file, after the file's own hooks, so a process shared by all tests of a file is fine.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';

const GRACE_MS = 3000;

/** Direct children of this process that really run, with what they are. */
export function childrenOf(parent: number): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return found; // No /proc: nothing can be said on this system.
  }
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // The command name stands in parentheses and may hold spaces: count fields after the last ')'.
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(ppid) !== parent || state === 'Z' || state === 'X') continue;
      const argv = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      found.push({ pid: Number(entry), command: argv.slice(0, 200) });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

const before = new Set(childrenOf(process.pid).map((child) => child.pid));

afterAll(async () => {
  const leaked = (): { pid: number; command: string }[] =>
    childrenOf(process.pid).filter((child) => !before.has(child.pid));
  const deadline = performance.now() + GRACE_MS;
  while (leaked().length > 0 && performance.now() < deadline) await delay(50);
  const left = leaked();
  for (const child of left) {
    try {
      process.kill(child.pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  }
  if (left.length > 0) {
    throw new Error(
      `this file left processes behind: ${left.map((child) => `${child.pid} (${child.command})`).join(', ')}; end them with onTestFinished`,
    );
  }
});
