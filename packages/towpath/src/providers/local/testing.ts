import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';
import { until } from '../../system/index.ts';
import type { Instance, InstanceSpec, LogLine, Provider } from '../contract.ts';
import { specOf, testScope } from '../testing.ts';
import { createLocalProvider, type LocalProviderOptions } from './local.ts';
import type { SupervisionEvent } from './supervise.ts';

export interface LocalHouse {
  readonly dir: string;
  readonly provider: Provider;
  readonly events: SupervisionEvent[];
  /** Starts supervision; ends with the test. */
  supervise(epoch?: number): void;
  get(id: string): Promise<Instance | undefined>;
  lines(id?: string): Promise<readonly LogLine[]>;
  /** Waits until exactly so many events were reported, and returns their names. */
  happened(count: number): Promise<readonly SupervisionEvent['event'][]>;
  /** Waits until the instance looks like this. */
  becomes(id: string, what: string, test: (instance: Instance) => boolean, withinMs?: number): Promise<Instance>;
}

/** A local provider in a folder of its own; when the test ends, nothing of it is left. */
export function openLocal(context: TestContext, options: Partial<LocalProviderOptions> = {}): LocalHouse {
  const { signal } = context;
  const dir = mkdtempSync(path.join(os.tmpdir(), 'towpath-local-'));
  const events: SupervisionEvent[] = [];
  const provider = createLocalProvider({ dir, onEvent: (event) => events.push(event), ...options });
  const supervisions: { readonly told: AbortController; readonly done: Promise<unknown> }[] = [];
  context.onTestFinished(async () => {
    for (const { told } of supervisions) told.abort();
    await Promise.all(supervisions.map(({ done }) => done));
    const never = new AbortController().signal;
    for (const environment of ['local', 'staging']) {
      const scope = { app: testScope.app, environment };
      for (const { id } of await provider.list(scope, never)) {
        await provider.destroy(scope, id, { epoch: 1_000_000 }, never);
      }
    }
    await rm(dir, { recursive: true, force: true });
  });
  const get = (id: string): Promise<Instance | undefined> => provider.get(testScope, id, signal);
  return {
    dir,
    provider,
    events,
    get,
    supervise(epoch = 1) {
      const told = new AbortController();
      const done = provider.supervise(testScope, { epoch }, told.signal).catch((error: unknown) => error);
      supervisions.push({ told, done });
    },
    async lines(id) {
      const lines: LogLine[] = [];
      const query = { tail: 1000, follow: false, ...(id === undefined ? {} : { instance: id }) };
      for await (const line of provider.logs(testScope, query, signal)) lines.push(line);
      return lines;
    },
    async happened(count) {
      await until(`${count} events`, () => events.length >= count, { every: 20, within: 8000, signal });
      return events.map(({ event }) => event);
    },
    becomes: (id, what, test, withinMs = 8000) =>
      until(
        `${id} ${what}`,
        async () => {
          const instance = await get(id);
          return instance !== undefined && test(instance) ? instance : undefined;
        },
        { every: 20, within: withinMs, signal },
      ),
  };
}

/** A spec that runs a piece of JavaScript. */
export function nodeSpec(script: string, over: Partial<InstanceSpec> = {}): InstanceSpec {
  const artifact = { digest: 'sha256:test', location: os.tmpdir() };
  return specOf({ artifact, command: ['node', '-e', script] }, { kind: 'worker', group: 'worker', ...over });
}

/** A spec that runs a shell line. */
export function shellSpec(line: string, over: Partial<InstanceSpec> = {}): InstanceSpec {
  return nodeSpec('', { command: ['sh', '-c', line], ...over });
}
