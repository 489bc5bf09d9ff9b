import type { LogLine } from '@towpath/wire';
import { withQuery } from '../client.ts';
import type { Handler } from '../command.ts';
import { EXIT } from '../exit.ts';
import { clockTime } from '../render/plain.ts';
import type { Paint } from '../terminal.ts';
import { numbered } from './watch.ts';

const COLOURS = ['cyan', 'green', 'magenta', 'blue', 'yellow'] as const;

/** One line with who said it in front; an instance keeps its colour. Pure. */
export function createLogPrinter(paint: Paint): (line: LogLine) => string {
  const colours = new Map<string, (typeof COLOURS)[number]>();
  let width = 0;
  return (line) => {
    const colour = colours.get(line.instance) ?? COLOURS[colours.size % COLOURS.length] ?? 'cyan';
    colours.set(line.instance, colour);
    const who = `r${line.release} ${line.group} ${line.instance}`;
    width = Math.max(width, who.length);
    const text = line.stream === 'err' ? paint.red(line.line) : line.line;
    return `${paint.dim(clockTime(line.at))} ${paint[colour](`${who.padEnd(width)} |`)} ${text}`;
  };
}

export const run: Handler = async (invocation, context) => {
  const { terminal } = context;
  const follow = invocation.on('follow');
  const path = withQuery('/v1/logs', {
    environment: context.environment,
    group: invocation.text('group'),
    instance: invocation.text('instance'),
    release: numbered('release', invocation.text('release')),
    tail: invocation.integer('tail') ?? 100,
    follow,
  });
  const stop = new AbortController();
  const offInterrupt = context.needs.onInterrupt(() => stop.abort(new Error('interrupted')));
  const print = createLogPrinter(terminal.paint);
  const client = await context.client();
  try {
    for await (const event of client.stream(path, stop.signal)) {
      if (event.event === 'end') break;
      if (event.data === '') continue;
      const line: LogLine = JSON.parse(event.data);
      terminal.print(print(line));
      terminal.document(line);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    offInterrupt();
  }
  return EXIT.ok;
};
