import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { runCli, type CliNeeds, type Output } from '../cli/index.ts';
import { systemClock } from '../system/index.ts';

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTTY: stream.isTTY,
  columns: stream.isTTY ? stream.columns : undefined,
  rows: stream.isTTY ? stream.rows : undefined,
});

/** Connects the CLI with this process and with the local environment; each part is loaded when it is used. */
export async function main(argv: readonly string[]): Promise<number> {
  const { version }: { version: string } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  const needs: CliNeeds = {
    version,
    // A service or a container often has no USER.
    env: { USER: userInfo().username, ...process.env },
    cwd: process.cwd(),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    now: systemClock.now,
    onInterrupt(listener) {
      process.on('SIGINT', listener);
      return () => process.off('SIGINT', listener);
    },
    async up(options) {
      const local = await import('./up.ts');
      return await local.up(options);
    },
    async down(options) {
      const local = await import('./up.ts');
      return await local.down(options);
    },
    async serve(options) {
      const { serve } = await import('./serve.ts');
      const stop = new AbortController();
      const end = (): void => stop.abort();
      process.on('SIGTERM', end).on('SIGINT', end);
      await serve({
        root: options.root,
        ...(options.file === undefined ? {} : { file: options.file }),
        version,
        env: process.env,
        write: (line) => void process.stdout.write(line),
        signal: AbortSignal.any([options.signal, stop.signal]),
      });
    },
  };
  return await runCli(argv, needs);
}
