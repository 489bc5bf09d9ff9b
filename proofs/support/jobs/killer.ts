import { setTimeout as delay } from 'node:timers/promises';
import { instanceProcesses } from '../world.ts';
import { between, oneOf, type Random } from './random.ts';

export type Victims = {
  worker: number;
  cron: number;
  web: number;
  'of the serving release': number;
  'of the other': number;
};

/** Kills instances of an app at random moments, whichever generation they are of, until it is stopped. */
export function startKilling(options: {
  readonly dir: string;
  readonly random: Random;
  /** Pause between two kills, milliseconds. */
  readonly every: readonly [number, number];
  /** The release that serves now, to tell the generations apart. */
  readonly serving: () => number | null;
}): { readonly victims: Victims; kills(): number; stop(): Promise<void> } {
  const { random } = options;
  const victims: Victims = { worker: 0, cron: 0, web: 0, 'of the serving release': 0, 'of the other': 0 };
  const stop = new AbortController();

  const kill = (): void => {
    const all = instanceProcesses(options.dir).map((one) => ({ ...one, kind: kindOf(one.group) }));
    const chance = random();
    const wanted = chance < 0.5 ? 'worker' : chance < 0.9 ? 'cron' : 'web';
    const some = all.filter(({ kind }) => kind === wanted);
    const possible = some.length > 0 ? some : all.filter(({ kind }) => kind === 'worker');
    // First the generation, else the one with more processes would get nearly all of it.
    const release = oneOf(random, [...new Set(possible.map((one) => one.release))]);
    const victim = oneOf(
      random,
      possible.filter((one) => one.release === release),
    );
    if (victim === undefined) return;
    try {
      process.kill(victim.pid, 'SIGKILL');
    } catch {
      return; // It ended by itself just now.
    }
    victims[victim.kind]++;
    victims[Number(victim.release) === options.serving() ? 'of the serving release' : 'of the other']++;
  };

  const running = (async () => {
    while (!stop.signal.aborted) {
      await delay(between(random, ...options.every), undefined, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) kill();
    }
  })();
  return {
    victims,
    kills: () => victims.worker + victims.cron + victims.web,
    async stop() {
      stop.abort();
      await running;
    },
  };
}

const kindOf = (group: string): 'worker' | 'cron' | 'web' => (group === 'worker' || group === 'web' ? group : 'cron');
