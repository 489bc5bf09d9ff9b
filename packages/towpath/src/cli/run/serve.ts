import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';

export const run: Handler = async (_, context) => {
  const { root, file } = await context.project();
  const stop = new AbortController();
  const offInterrupt = context.needs.onInterrupt(() => stop.abort(new Error('interrupted')));
  await context.needs
    .serve({
      root,
      file,
      environment: context.environment,
      say: (line) => context.terminal.print(line),
      signal: stop.signal,
    })
    .finally(offInterrupt);
  return EXIT.ok;
};
