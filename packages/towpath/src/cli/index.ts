import path from 'node:path';
import { asTowpathError, TowpathError } from '../kernel/index.ts';
import type { Command, Context, Invocation } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, exitOf } from './exit.ts';
import type { CliNeeds } from './needs.ts';
import { parseCommandLine } from './parse.ts';
import { createTerminal, type Terminal } from './terminal.ts';

export type { CliNeeds, DownAnswer, LocalOptions, Output, UpAnswer } from './needs.ts';
export { createClient } from './client.ts';
export { overview, usageOf } from './help.ts';
export { COMMANDS } from './commands.ts';
export { GLOBAL_OPTIONS, type Command, type Option } from './command.ts';
export { EXIT, EXIT_MEANING } from './exit.ts';

const CONFIG = 'towpath.config.ts';

function createContext(invocation: Invocation, needs: CliNeeds, terminal: Terminal): Context {
  const dir = path.resolve(needs.cwd, invocation.text('cwd') ?? '.');
  const named = invocation.text('environment') ?? (needs.env['TOWPATH_ENVIRONMENT'] || undefined);
  const user = needs.env['USER'] || needs.env['LOGNAME'] || 'unknown';
  const project: Context['project'] = async () => {
    const given = invocation.text('config');
    if (given !== undefined) {
      const file = path.resolve(dir, given);
      return { root: path.dirname(file), file };
    }
    const { findUp } = await import('../system/index.ts');
    const root = await findUp(CONFIG, dir);
    if (root === undefined) {
      throw new TowpathError('config.not_found', `there is no ${CONFIG} in ${dir} or above`, {
        remedy: 'fix-input',
        hint: 'write one with `towpath init`, or name it with --config',
      });
    }
    return { root, file: path.join(root, CONFIG) };
  };
  return {
    needs,
    terminal,
    dir,
    environment: named ?? 'local',
    environmentGiven: named !== undefined,
    actor: invocation.text('actor') ?? (needs.env['TOWPATH_ACTOR'] || `user:${user}`),
    project,
    async client() {
      const { createClient } = await import('./client.ts');
      return createClient(path.join((await project()).root, '.towpath', 'control.sock'));
    },
  };
}

async function explain(command: Command | undefined, needs: CliNeeds, terminal: Terminal): Promise<number> {
  const { helpDocument, helpText, overview } = await import('./help.ts');
  terminal.print(command === undefined ? overview(needs.version, terminal.paint) : helpText(command, terminal.paint));
  terminal.document(helpDocument(needs.version, command));
  return EXIT.ok;
}

/** Runs one command line. Never throws and never ends the process. @returns the exit code */
export async function runCli(argv: readonly string[], needs: CliNeeds): Promise<number> {
  const options = (json: boolean, noColor: boolean): Terminal =>
    createTerminal({ stdout: needs.stdout, stderr: needs.stderr, json, noColor, env: needs.env });
  // Until the command line is understood, errors are printed as it seems to want them.
  let terminal = options(argv.includes('--json'), argv.includes('--no-color'));
  try {
    const { command, invocation } = parseCommandLine(argv, COMMANDS);
    terminal = options(invocation.on('json'), invocation.on('no-color'));
    if (invocation.on('version')) {
      terminal.print(needs.version);
      terminal.document({ version: needs.version });
      return EXIT.ok;
    }
    if (invocation.on('help')) return await explain(command, needs, terminal);
    if (command === undefined) {
      await explain(undefined, needs, terminal);
      return EXIT.usage;
    }
    const handler = await command.run();
    return await handler(invocation, createContext(invocation, needs, terminal));
  } catch (thrown) {
    const error = asTowpathError(thrown);
    terminal.error(error.toJSON());
    const status = 'status' in error && typeof error.status === 'number' ? error.status : undefined;
    return exitOf(error, status);
  }
}
