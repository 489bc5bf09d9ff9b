import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Acknowledgement, Role } from '../protocol.ts';

/** A real child process that uses the sdk, with this test in the part of Towpath. */
export interface TestInstance {
  readonly child: ChildProcess;
  /** What it wrote on stdout and stderr so far. */
  output(): string;
  tell(role: Role, epoch: number): void;
  ack(): Partial<Acknowledgement>;
  /** Waits until the look is true, 5 s at most. */
  until(what: string, look: () => boolean): Promise<void>;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/** @param program module text; `tow` is the handle */
export function startInstance(program: string, env: Readonly<Record<string, string>> = {}): TestInstance & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), 'sdk-'));
  const controlFile = path.join(folder, 'control.json');
  const ackFile = path.join(folder, 'ack.json');
  const source = path.join(folder, 'program.ts');
  const sdk = new URL('../index.ts', import.meta.url).href;
  writeFileSync(source, `import { towpath, closeServer } from '${sdk}';\nconst tow = towpath();\n${program}`);
  let output = '';
  const child = spawn(process.execPath, [source], {
    env: {
      PATH: process.env['PATH'],
      TOWPATH_INSTANCE: 'i1',
      TOWPATH_RELEASE: '7',
      TOWPATH_GROUP: 'worker',
      TOWPATH_CONTROL_FILE: controlFile,
      TOWPATH_ACK_FILE: ackFile,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return {
    child,
    ended,
    output: () => output,
    tell(role, epoch) {
      writeFileSync(`${controlFile}.tmp`, JSON.stringify({ role, epoch, at: Date.now() }));
      renameSync(`${controlFile}.tmp`, controlFile);
    },
    ack() {
      try {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the code under test
        return JSON.parse(readFileSync(ackFile, 'utf8')) as Partial<Acknowledgement>;
      } catch {
        return {};
      }
    },
    async until(what, look) {
      const end = Date.now() + 5000;
      while (!look()) {
        if (Date.now() > end) throw new Error(`${what}: not within 5 s; output: ${output}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    [Symbol.dispose]() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
