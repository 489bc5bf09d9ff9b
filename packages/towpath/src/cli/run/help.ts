import { nearest, TowpathError } from '../../kernel/index.ts';
import type { Handler } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { EXIT } from '../exit.ts';
import { helpDocument, helpText, overview } from '../help.ts';

export const run: Handler = (invocation, context) => {
  const { terminal, needs } = context;
  const name = invocation.args['command'];
  const command = COMMANDS.find((candidate) => candidate.name === name);
  const under = COMMANDS.filter((candidate) => name !== undefined && candidate.name.startsWith(`${name} `));
  if (name !== undefined && command === undefined && under.length === 0) {
    const meant = nearest(
      name,
      COMMANDS.map((candidate) => candidate.name),
    );
    throw new TowpathError('cli.unknown_command', `there is no command "${name}"`, {
      remedy: 'fix-input',
      hint: meant === undefined ? 'see `towpath --help`' : `did you mean \`towpath help ${meant}\`?`,
    });
  }
  if (under.length > 0) {
    terminal.print(under.map((candidate) => helpText(candidate, terminal.paint)).join('\n\n'));
    terminal.document({ commands: under.map((candidate) => helpDocument(needs.version, candidate)) });
    return Promise.resolve(EXIT.ok);
  }
  terminal.print(command === undefined ? overview(needs.version, terminal.paint) : helpText(command, terminal.paint));
  terminal.document(helpDocument(needs.version, command));
  return Promise.resolve(EXIT.ok);
};
