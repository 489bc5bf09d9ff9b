import type { Status } from '@towpath/wire';
import { TowpathError } from '../../kernel/index.ts';
import type { Context, Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { renderStatus } from '../render/status.ts';

/** The status, of one environment when one was named. @throws TowpathError `cli.unknown_environment` */
export async function readStatus(context: Context): Promise<Status> {
  const status = await (await context.client()).get<Status>('/v1/status');
  if (!context.environmentGiven) return status;
  const environments = status.environments.filter((view) => view.environment === context.environment);
  if (environments.length === 0) {
    throw new TowpathError('cli.unknown_environment', `there is no environment "${context.environment}"`, {
      remedy: 'fix-input',
      hint: `use -e with ${status.environments.map((view) => view.environment).join(', ') || 'an environment of the config'}`,
    });
  }
  return { ...status, environments };
}

export const run: Handler = async (_, context) => {
  const status = await readStatus(context);
  const { terminal } = context;
  terminal.print(
    ...renderStatus(status, { columns: terminal.columns, now: context.needs.now(), paint: terminal.paint }),
  );
  terminal.document(status);
  return EXIT.ok;
};
