import { spawn } from 'node:child_process';
import path from 'node:path';

export const ROOT = path.dirname(import.meta.dirname);

/** One part of a longer run, such as the linter within `npm run check`. */
export interface Part {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** A tool that node_modules holds. */
export const tool = (name: string, ...args: readonly string[]): Part['argv'] => [
  path.join(ROOT, 'node_modules', '.bin', name),
  ...args,
];

/** One of our own TypeScript files, run by this same Node. */
export const script = (file: string, ...args: readonly string[]): Part['argv'] => [process.execPath, file, ...args];

export const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/**
 * Runs all parts one after the other, so that one run shows everything that is wrong, and says at the
 * end which failed. @returns the exit code for the whole
 */
export async function runParts(parts: readonly Part[], options: { readonly quiet: boolean }): Promise<0 | 1> {
  const failed: string[] = [];
  for (const { name, argv } of parts) {
    const started = performance.now();
    if (!options.quiet) say(`\n== ${name}`);
    const { ok, output } = await execute(argv, options.quiet);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (!ok) say(output);
    say(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
    if (!ok) failed.push(name);
  }
  if (parts.length > 1)
    say(failed.length === 0 ? `all ${parts.length} parts are fine` : `FAILED: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

/** Quiet keeps the output for when the command fails; otherwise it goes straight to the terminal. */
async function execute(argv: Part['argv'], quiet: boolean): Promise<{ ok: boolean; output: string }> {
  return await new Promise((resolve) => {
    const [file, ...args] = argv;
    const child = spawn(file, args, { cwd: ROOT, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    }
    const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
    process.on('SIGTERM', forward);
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code) => {
      process.off('SIGTERM', forward);
      resolve({ ok: code === 0, output });
    });
  });
}
