import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { test, type TestContext } from 'vitest';

const LOCK = pathToFileURL(path.join(import.meta.dirname, 'install-lock.mjs')).href;

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'towpath-lock-'));
  t.onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** A process that takes the lock and writes into a journal when it has it and when it lets go. */
async function contender(dir: string, holdMs: number): Promise<{ code: number | null; said: string }> {
  const code = `
    import { appendFileSync } from 'node:fs';
    import { setTimeout as delay } from 'node:timers/promises';
    const { holdingLock } = await import(${JSON.stringify(LOCK)});
    await holdingLock(${JSON.stringify(path.join(dir, 'lock'))}, (line) => console.log(line), async () => {
      appendFileSync(${JSON.stringify(path.join(dir, 'journal'))}, 'in ' + process.pid + '\\n');
      await delay(${holdMs});
      appendFileSync(${JSON.stringify(path.join(dir, 'journal'))}, 'out ' + process.pid + '\\n');
    });`;
  return await new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.on('close', (exit) => resolve({ code: exit, said }));
  });
}

/** Whether every "in" is followed by the same process's "out". */
const oneAtATime = (journal: string): boolean => {
  const lines = journal.trim().split('\n');
  return lines.every((line, i) => i % 2 === 1 || lines[i + 1] === line.replace('in', 'out'));
};

test('of many that install at once, one does at a time, and the lock is gone afterwards', async (t) => {
  const dir = folder(t);
  const ends = await Promise.all(Array.from({ length: 5 }, () => contender(dir, 50)));
  t.expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  const journal = readFileSync(path.join(dir, 'journal'), 'utf8');
  t.expect(journal.trim().split('\n')).toHaveLength(10);
  t.expect(oneAtATime(journal), journal).toBe(true);
  t.expect(existsSync(path.join(dir, 'lock'))).toBe(false);
});

test.for([
  ['a dead owner', 'owner-999999999-1'],
  ['an owner whose pid is now somebody else', `owner-${process.pid}-1`],
] as const)('the lock of %s is taken over by exactly one', async ([, owner], t) => {
  const dir = folder(t);
  mkdirSync(path.join(dir, 'lock'));
  writeFileSync(path.join(dir, 'lock', owner), '');
  const ends = await Promise.all(Array.from({ length: 3 }, () => contender(dir, 30)));
  t.expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
  t.expect(oneAtATime(readFileSync(path.join(dir, 'journal'), 'utf8'))).toBe(true);
});

test('who waits says for whom', async (t) => {
  const dir = folder(t);
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  mkdirSync(path.join(dir, 'lock'));
  writeFileSync(path.join(dir, 'lock', `owner-${process.pid}-${start}`), '');
  const waiting = contender(dir, 0);
  setTimeout(() => rmSync(path.join(dir, 'lock'), { recursive: true }), 700);
  const { code, said } = await waiting;
  t.expect(code).toBe(0);
  t.expect(said).toContain(`waiting for another install (owner-${process.pid}-`);
});
