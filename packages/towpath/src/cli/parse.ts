import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { nearest, TowpathError } from '../kernel/index.ts';
import { type Command, GLOBAL_OPTIONS, type Invocation, type Option } from './command.ts';

export interface Parsed {
  /** Undefined when no command was named. */
  readonly command: Command | undefined;
  readonly invocation: Invocation;
}

const usage = (code: string, message: string, hint: string): TowpathError =>
  new TowpathError(code, message, { remedy: 'fix-input', hint });

const optionsOf = (command: Command | undefined): Readonly<Record<string, Option>> => ({
  ...GLOBAL_OPTIONS,
  ...command?.options,
});

/** The command that the words begin with, longest name first (`evidence verify` before `evidence`). */
function findCommand(words: readonly string[], commands: readonly Command[]): Command | undefined {
  const two = words.slice(0, 2).join(' ');
  return commands.find((command) => command.name === two) ?? commands.find((command) => command.name === words[0]);
}

function unknownCommand(words: readonly string[], commands: readonly Command[]): TowpathError {
  const [first = '', second] = words;
  const under = commands.filter((command) => command.name.startsWith(`${first} `)).map((command) => command.name);
  if (under.length > 0) {
    const meant = second === undefined ? undefined : nearest(`${first} ${second}`, under);
    return usage(
      'cli.unknown_command',
      second === undefined ? `${first} needs one more word` : `there is no command "${first} ${second}"`,
      meant === undefined
        ? `write ${under.map((name) => `\`towpath ${name}\``).join(' or ')}`
        : `did you mean \`towpath ${meant}\`?`,
    );
  }
  const meant = nearest(
    first,
    new Set(commands.flatMap((command) => [command.name, command.name.split(' ')[0] ?? ''])),
  );
  return usage(
    'cli.unknown_command',
    `there is no command "${first}"`,
    meant === undefined ? 'see `towpath --help`' : `did you mean \`towpath ${meant}\`?`,
  );
}

function unknownOption(raw: string, command: Command | undefined, all: readonly Command[]): TowpathError {
  const where = command === undefined ? '' : ` of \`towpath ${command.name}\``;
  const name = raw.replace(/^-+/, '');
  const meant = raw.startsWith('--') ? nearest(name, Object.keys(optionsOf(command))) : undefined;
  const elsewhere = all.find((other) => other.options?.[name] !== undefined);
  let hint = `see \`towpath ${command === undefined ? '' : `${command.name} `}--help\``;
  if (meant !== undefined) hint = `did you mean --${meant}?`;
  else if (elsewhere !== undefined) hint = `it belongs to \`towpath ${elsewhere.name}\`; ${hint}`;
  return usage('cli.unknown_option', `${raw} is no option${where}`, hint);
}

/**
 * Reads a command line.
 * @throws TowpathError `cli.unknown_command`, `cli.unknown_option`, `cli.bad_value`, `cli.missing_argument`, `cli.extra_argument`
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): Parsed {
  // One set of all options decides what takes a value; a name means the same in every command (tested).
  const every: ParseArgsOptionsConfig = {};
  for (const options of [GLOBAL_OPTIONS, ...commands.map((command) => command.options ?? {})]) {
    for (const [name, option] of Object.entries(options)) {
      every[name] = { type: option.type, ...(option.short === undefined ? {} : { short: option.short }) };
    }
  }
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    options: every,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const command = findCommand(positionals, commands);
  const known = optionsOf(command);
  const texts = new Map<string, string>();
  const flags = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = known[token.name];
    if (option === undefined) {
      if (command === undefined && positionals.length > 0) break;
      throw unknownOption(token.rawName, command, commands);
    }
    if (option.type === 'boolean') {
      if (token.value !== undefined) {
        throw usage('cli.bad_value', `${token.rawName} takes no value`, `write ${token.rawName} alone`);
      }
      flags.add(token.name);
      continue;
    }
    // `--plan --json`: the next option is no value; one that begins with a dash is written --plan=-x.
    if (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('-'))) {
      throw usage(
        'cli.bad_value',
        `${token.rawName} needs a value`,
        `write ${token.rawName} <${option.value ?? 'value'}>`,
      );
    }
    texts.set(token.name, checked(token.rawName, token.value, option.choices));
  }
  if (command === undefined && positionals.length > 0) throw unknownCommand(positionals, commands);
  const asksHelp = flags.has('help') || flags.has('version');
  const rest = command === undefined ? [] : positionals.slice(command.name.split(' ').length);
  return {
    command,
    invocation: {
      args: command === undefined || asksHelp ? {} : argumentsOf(command, rest),
      text: (name) => texts.get(name),
      on: (name) => flags.has(name),
      integer: (name) => {
        const text = texts.get(name);
        return text === undefined ? undefined : wholeNumber(`--${name}`, text);
      },
    },
  };
}

function checked(name: string, value: string, choices: readonly string[] | undefined): string {
  if (choices === undefined || choices.includes(value)) return value;
  const meant = nearest(value, choices);
  throw usage(
    'cli.bad_value',
    `${name} cannot be "${value}"`,
    meant === undefined ? `use ${choices.join(', ')}` : `did you mean ${meant}? It takes ${choices.join(', ')}`,
  );
}

function argumentsOf(command: Command, words: readonly string[]): Readonly<Record<string, string>> {
  const wanted = command.args ?? [];
  // `help` takes the words of a command name, the others one word an argument.
  const given = command.name === 'help' && words.length > 1 ? [words.join(' ')] : words;
  const extra = given[wanted.length];
  if (extra !== undefined) {
    throw usage(
      'cli.extra_argument',
      `\`towpath ${command.name}\` does not take "${extra}"`,
      `see \`towpath ${command.name} --help\``,
    );
  }
  const values: Record<string, string> = {};
  wanted.forEach((argument, i) => {
    const value = given[i];
    if (value !== undefined) values[argument.name] = checked(argument.name, value, argument.choices);
    else if (argument.required) {
      throw usage(
        'cli.missing_argument',
        `\`towpath ${command.name}\` needs <${argument.name}>`,
        `${argument.name}: ${argument.summary}`,
      );
    }
  });
  return values;
}

/** A number from 0 up. @throws TowpathError `cli.bad_value` */
export function wholeNumber(name: string, text: string): number {
  const digits = /^r?(\d{1,15})$/.exec(text)?.[1];
  if (digits === undefined)
    throw usage('cli.bad_value', `${name} cannot be "${text}"`, 'write a whole number, such as 12');
  return Number(digits);
}
