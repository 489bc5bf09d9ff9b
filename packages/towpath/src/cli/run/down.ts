import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';

export const run: Handler = async (_, context) => {
  const { terminal, needs } = context;
  const { root, file } = await context.project();
  const answer = await needs.down({
    root,
    file,
    environment: context.environment,
    say: (line) => terminal.print(`  ${terminal.paint.dim('●')} ${line}`),
    signal: new AbortController().signal,
  });
  terminal.print(
    answer.stopped.length === 0
      ? `  ${terminal.paint.green('✓')} nothing was running`
      : `  ${terminal.paint.green('✓')} stopped ${answer.stopped.join(', ')}; releases, databases and the ledger stay`,
  );
  terminal.document({ stopped: answer.stopped });
  return EXIT.ok;
};
