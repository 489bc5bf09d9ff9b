import { configJsonSchema, loadConfig, referenceEntries } from '../../config/index.ts';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { wrap } from '../render/text.ts';

export const check: Handler = async (_, context) => {
  const { terminal } = context;
  const { root, file } = await context.project();
  const { config, hash } = await loadConfig(root, { file });
  const groups = Object.entries(config.processes).map(([name, group]) => `${name} (${group.kind})`);
  terminal.print(
    `${terminal.paint.green('✓')} ${file} holds`,
    `  app          ${config.app}`,
    `  processes    ${groups.join(', ')}`,
    `  environments ${Object.keys(config.environments).join(', ')}`,
    `  migrations   ${config.migrations?.dir ?? 'none'}`,
    `  hash         ${hash}`,
  );
  terminal.document({ ok: true, file, hash, config });
  return EXIT.ok;
};

export const schema: Handler = (_, context) => {
  context.terminal.raw(`${JSON.stringify(configJsonSchema(), null, context.terminal.json ? 0 : 2)}\n`);
  return Promise.resolve(EXIT.ok);
};

export const reference: Handler = (_, context) => {
  const { terminal } = context;
  const entries = referenceEntries(configJsonSchema());
  terminal.document({ entries });
  for (const entry of entries) {
    const facts = [
      entry.type,
      entry.required ? 'required' : '',
      entry.default === '' ? '' : `default ${entry.default}`,
    ];
    const kind = entry.kind === '' || entry.path.endsWith('.kind') ? '' : ` (${entry.kind})`;
    terminal.print(
      `${terminal.paint.bold(entry.path)}${kind}  ${terminal.paint.dim(facts.filter((fact) => fact !== '').join(', '))}`,
      ...(entry.description === '' ? [] : wrap(entry.description, terminal.columns - 4).map((line) => `    ${line}`)),
    );
  }
  return Promise.resolve(EXIT.ok);
};
