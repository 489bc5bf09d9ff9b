import { type Command, GLOBAL_OPTIONS, type Option } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_MEANING } from './exit.ts';
import type { Paint } from './terminal.ts';

const GROUPS = ['Start', 'Release', 'Look', 'Set up'] as const;

const flag = (name: string, option: Option): string =>
  `${option.short === undefined ? '    ' : `-${option.short}, `}--${name}${option.type === 'string' ? ` <${option.value ?? 'value'}>` : ''}`;

const rows = (entries: readonly (readonly [string, string])[], paint: Paint): string[] => {
  const width = Math.max(...entries.map(([left]) => left.length));
  return entries.map(([left, right]) => `  ${paint.bold(left.padEnd(width))}  ${right}`);
};

const optionRows = (options: Readonly<Record<string, Option>>, paint: Paint): string[] =>
  rows(
    Object.entries(options).map(([name, option]) => [flag(name, option), option.summary] as const),
    paint,
  );

/** How the command is written: `towpath deploy [dir] [options]`. */
export function usageOf(command: Command): string {
  const args = (command.args ?? []).map((argument) =>
    argument.required ? `<${argument.name}>` : `[${argument.name}]`,
  );
  return ['towpath', command.name, ...args, ...(command.options === undefined ? [] : ['[options]'])].join(' ');
}

/** What `towpath --help` prints. */
export function overview(version: string, paint: Paint): string {
  return [
    `${paint.bold('towpath')} ${version}  takes a TypeScript + Postgres app to production and keeps it safe there`,
    '',
    'towpath <command> [options]',
    ...GROUPS.flatMap((group) => [
      '',
      group,
      ...rows(
        COMMANDS.filter((command) => command.group === group).map(
          (command) => [command.name, command.summary] as const,
        ),
        paint,
      ),
    ]),
    '',
    'Everywhere',
    ...optionRows(GLOBAL_OPTIONS, paint),
    '',
    `Exit codes: ${EXIT_MEANING.map(([code, name]) => `${code} ${name}`).join(', ')}.`,
    'Begin with `towpath init`, then `towpath up`. `towpath help <command>` explains one command.',
  ].join('\n');
}

/** What `towpath <command> --help` prints. */
export function helpText(command: Command, paint: Paint): string {
  return [
    command.summary,
    ...(command.details === undefined ? [] : [command.details]),
    '',
    usageOf(command),
    ...(command.args === undefined
      ? []
      : [
          '',
          'Arguments',
          ...rows(
            command.args.map((argument) => [argument.name, argument.summary] as const),
            paint,
          ),
        ]),
    ...(command.options === undefined ? [] : ['', 'Options', ...optionRows(command.options, paint)]),
    '',
    'Everywhere',
    ...optionRows(GLOBAL_OPTIONS, paint),
    '',
    'Examples',
    ...rows(
      command.examples.map((example) => [example.line, example.does] as const),
      paint,
    ),
    '',
    `--json prints: ${command.json}`,
  ].join('\n');
}

const commandDocument = (command: Command): unknown => ({
  name: command.name,
  summary: command.summary,
  usage: usageOf(command),
  args: command.args ?? [],
  options: command.options ?? {},
  examples: command.examples,
  json: command.json,
});

/** The same for programs. */
export function helpDocument(version: string, command: Command | undefined): unknown {
  return command === undefined
    ? { version, commands: COMMANDS.map(commandDocument), options: GLOBAL_OPTIONS }
    : commandDocument(command);
}
