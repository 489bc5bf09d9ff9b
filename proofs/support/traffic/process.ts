/** The generator in a process of its own; talks with index.ts over IPC. */
import { createGenerator, type Generator } from './generator.ts';
import type { Asked, Told } from './messages.ts';

let generator: Generator | undefined;

const tell = (message: Told): void => {
  process.send?.(message);
};

process.on('message', (message: Asked) => {
  switch (message.ask) {
    case 'start':
      generator = createGenerator(message.options);
      tell({ id: message.id, counters: generator.counters() });
      return;
    case 'mark':
      generator?.mark(message.window);
      tell({ id: message.id, counters: generator?.counters() });
      return;
    case 'counters':
      tell({ id: message.id, counters: generator?.counters() });
      return;
    case 'stop':
      void generator?.stop().then((counters) => tell({ id: message.id, counters }));
      return;
  }
});
// Without the process that reads the figures, the load is of no use to anyone.
process.on('disconnect', () => process.exit(0));
