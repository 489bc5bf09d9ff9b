import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const GRACE_MS = 3000;

/**
 * Finds processes that a proof started and did not end, by the mark in their environment or a working
 * folder inside one of the proof's own; waits a moment for those that are just ending, kills the rest.
 * @returns `pid command` of each that had to be killed; always empty where /proc is missing
 */
export async function endLeftovers(mark: string, folders: readonly string[]): Promise<readonly string[]> {
  const deadline = performance.now() + GRACE_MS;
  while (leftovers(mark, folders).length > 0 && performance.now() < deadline) await delay(100);
  const left = leftovers(mark, folders);
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  }
  return left.map(({ pid, command }) => `${pid} ${command}`);
}

function leftovers(mark: string, folders: readonly string[]): readonly { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const pid of pids()) {
    if (pid === process.pid) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3))) continue;
      const marked = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TOWPATH_PROOF_RUN=${mark}`);
      if (!marked && !inside(readlinkSync(`/proc/${pid}/cwd`), folders)) continue;
      found.push({ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 120) });
    } catch {
      // It ended while we looked, or belongs to somebody else.
    }
  }
  return found;
}

function pids(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

const inside = (folder: string, folders: readonly string[]): boolean =>
  folders.some((own) => folder === own || folder.startsWith(`${own}/`));
