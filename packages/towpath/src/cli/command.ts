import type { CliNeeds } from './needs.ts';
import type { Client } from './client.ts';
import type { Terminal } from './terminal.ts';

export interface Option {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** What stands for the value in help. */
  readonly value?: string;
  readonly summary: string;
  /** The only values taken. */
  readonly choices?: readonly string[];
}

export interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly choices?: readonly string[];
}

export interface Example {
  readonly line: string;
  readonly does: string;
}

/** A parsed command line. */
export interface Invocation {
  readonly args: Readonly<Record<string, string>>;
  readonly text: (option: string) => string | undefined;
  readonly on: (option: string) => boolean;
  /** @throws TowpathError `cli.bad_value` when it is no whole number of at least 0 */
  readonly integer: (option: string) => number | undefined;
}

/** What a handler works with. */
export interface Context {
  readonly needs: CliNeeds;
  readonly terminal: Terminal;
  /** -C, or where the command was started. */
  readonly dir: string;
  /** -e, TOWPATH_ENVIRONMENT, or `local`. */
  readonly environment: string;
  /** Whether -e or TOWPATH_ENVIRONMENT named one. */
  readonly environmentGiven: boolean;
  readonly actor: string;
  /** Folder and file of the config. @throws TowpathError `config.not_found` */
  project(): Promise<{ readonly root: string; readonly file: string }>;
  client(): Promise<Client>;
}

/** @returns the exit code */
export type Handler = (invocation: Invocation, context: Context) => Promise<number>;

/** A command is data; its handler is loaded when it is run. */
export interface Command {
  readonly name: string;
  readonly group: 'Start' | 'Release' | 'Look' | 'Set up';
  readonly summary: string;
  readonly details?: string;
  readonly args?: readonly Argument[];
  readonly options?: Readonly<Record<string, Option>>;
  readonly examples: readonly Example[];
  /** The shape that --json prints, by the names in docs/reference/json.md. */
  readonly json: string;
  readonly run: () => Promise<Handler>;
}

export function defineCommand(command: Command): Command {
  return command;
}

export const GLOBAL_OPTIONS: Readonly<Record<string, Option>> = {
  help: { type: 'boolean', short: 'h', summary: 'Explain the command.' },
  version: { type: 'boolean', summary: 'Print the version.' },
  json: { type: 'boolean', summary: 'Print one JSON document, or JSON lines for streams.' },
  config: {
    type: 'string',
    short: 'c',
    value: 'file',
    summary: 'Config file; by default towpath.config.ts here or above.',
  },
  environment: {
    type: 'string',
    short: 'e',
    value: 'name',
    summary: 'Environment; by default TOWPATH_ENVIRONMENT or local.',
  },
  cwd: { type: 'string', short: 'C', value: 'dir', summary: 'Work as if started in this folder.' },
  actor: {
    type: 'string',
    value: 'name',
    summary: 'Who acts, for the ledger; by default TOWPATH_ACTOR or your user name.',
  },
  'no-color': { type: 'boolean', summary: 'No colours; NO_COLOR does the same.' },
};
