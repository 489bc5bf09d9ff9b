import path from 'node:path';
import { discover, writeConfig } from '../../discovery/index.ts';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { table, wrap } from '../render/text.ts';

export const run: Handler = async (invocation, context) => {
  const { terminal } = context;
  const dir = path.resolve(context.dir, invocation.args['dir'] ?? '.');
  const discovery = await discover(dir);
  const dry = invocation.on('dry-run');
  const wrote = dry ? [] : await writeConfig(dir, discovery, { force: invocation.on('force') });
  const next = discovery.unknown.some((item) => item.blocking)
    ? 'edit towpath.config.ts, then `towpath config check`'
    : 'towpath up';
  terminal.print(
    ...table(
      ['found', 'used for'],
      discovery.found.map((item) => [`${item.where}: ${item.what}`, item.usedFor]),
      terminal.columns,
      terminal.paint.bold,
    ),
  );
  if (discovery.unknown.length > 0) {
    terminal.print('', terminal.paint.bold('could not tell'));
    for (const item of discovery.unknown) {
      terminal.print(
        ...wrap(`${item.what}: ${item.assumed}`, terminal.columns - 4).map(
          (line, i) => `${i === 0 ? '  ? ' : '    '}${line}`,
        ),
      );
    }
  }
  terminal.print('');
  if (dry)
    terminal.print(
      discovery.config.trimEnd(),
      '',
      `${terminal.paint.cyan('→')} nothing was written; leave --dry-run out to write it`,
    );
  else
    terminal.print(
      ...wrote.map((file) => `${terminal.paint.green('✓')} wrote ${file}`),
      `${terminal.paint.cyan('→')} ${next}`,
    );
  terminal.document({ dir, found: discovery.found, unknown: discovery.unknown, config: discovery.config, wrote, next });
  return EXIT.ok;
};
