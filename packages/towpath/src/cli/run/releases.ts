import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { table } from '../render/text.ts';
import { readStatus } from './status.ts';

export const run: Handler = async (_, context) => {
  const status = await readStatus(context);
  const { terminal } = context;
  for (const environment of status.environments) {
    const rows = environment.releases
      .toSorted((a, b) => b.release - a.release)
      .map((release) => [
        `r${release.release}`,
        release.state,
        release.createdAt.slice(0, 19).replace('T', ' '),
        release.source.kind === 'commit' ? release.source.ref.slice(0, 12) : `folder ${release.source.ref}`,
        release.artifact.slice(0, 19),
      ]);
    terminal.print(
      terminal.paint.bold(environment.environment),
      ...(rows.length === 0
        ? ['  no releases yet']
        : table(
            ['release', 'state', 'created (UTC)', 'source', 'artifact'],
            rows,
            terminal.columns - 2,
            terminal.paint.dim,
          ).map((line) => `  ${line}`)),
    );
  }
  terminal.document({
    environments: status.environments.map(({ environment, releases }) => ({ environment, releases })),
  });
  return EXIT.ok;
};
