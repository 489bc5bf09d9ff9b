import path from 'node:path';
import type { Config } from '../config/index.ts';
import type { Ledger } from '../evidence/index.ts';
import { asTowpathError, type Scope } from '../kernel/index.ts';
import { simpleJudge } from '../judge/index.ts';
import { createLocalProvider } from '../providers/index.ts';
import { createEnvironment, type Builder, type Environment } from '../release/index.ts';
import { createEmbeddedRouter, ensureRouter, releaseOverride } from '../router/index.ts';
import {
  identify,
  isAlive,
  probe,
  systemClock,
  type Database,
  type Log,
  type ProcessIdentity,
} from '../system/index.ts';
import type { Crash } from '../workflow/index.ts';
import { createCron } from './cron.ts';
import type { Databases } from './databases.ts';
import { createExpandDriver } from './expand.ts';
import type { Layout } from './layout.ts';
import { createReports } from './reports.ts';

export interface LocalParts {
  readonly layout: Layout;
  readonly config: Config;
  readonly database: Database;
  readonly databases: Databases;
  readonly ledger: Ledger;
  readonly builder: Builder;
  readonly log: Log;
  readonly holder: string;
  readonly leaseTtlMs: number;
  readonly crash: Crash;
}

export interface LocalEnvironment {
  readonly environment: Environment;
  readonly routerDir: string;
  readonly url: () => string | null;
  readonly testHeader: (release: number) => Promise<string | null>;
  readonly reportOf: (rollout: number) => { readonly markdown: string; readonly html: string };
}

/** Connects an environment of this machine with its concrete drivers. */
export function createLocalEnvironment(parts: LocalParts, name: string): LocalEnvironment {
  const { layout, config, ledger, log } = parts;
  const scope: Scope = { app: config.app, environment: name };
  const routerDir = path.join(layout.environment(name), 'router');
  const reports = createReports(layout, ledger, scope);
  const note = (what: string) => (error: unknown) => log.warn(what, { message: asTowpathError(error).message });

  const provider = createLocalProvider({
    dir: path.join(layout.environment(name), 'instances'),
    onEvent({ instance, event, because }) {
      ledger
        .record(
          {
            kind: 'instance',
            body: {
              id: instance.id,
              token: instance.token,
              release: instance.release,
              group: instance.group,
              event,
              because,
            },
          },
          { scope, actor: 'keeper' },
        )
        .catch(note('ledger.instance'));
    },
  });

  let guardian: ProcessIdentity | undefined;
  let url: string | null = null;
  const environment = createEnvironment({
    scope,
    database: parts.database,
    clock: systemClock,
    log,
    holder: parts.holder,
    leaseTtlMs: parts.leaseTtlMs,
    crash: parts.crash,
    record: ledger.record,
    provider,
    router: createEmbeddedRouter({ dir: routerDir }),
    judge: simpleJudge,
    builder: parts.builder,
    expand: createExpandDriver(parts.databases, name),
    cron: createCron({ ...parts, scope, provider, releases: () => environment.store }),
    environmentValues: (now) => parts.databases.values(name, now),
    probe,
    async ensureRouter(signal) {
      if (guardian !== undefined && url !== null && isAlive(guardian)) return { url, started: false };
      const port = config.environments[name]?.port ?? 0;
      const router = await ensureRouter({ dir: routerDir, port, signal });
      guardian = identify(router.pid);
      url = router.url;
      return { url, started: !router.alreadyRunning };
    },
    async isFinished(rollout) {
      const rows = await ledger.read({ rollout, limit: 5000 });
      return rows.some((row) => row.kind === 'rollout.finished');
    },
    writeReport: reports.write,
  });
  return {
    environment,
    routerDir,
    url: () => url,
    testHeader: async (release) =>
      (await releaseOverride(routerDir, release).catch(() => undefined))?.['x-towpath-release'] ?? null,
    reportOf: reports.of,
  };
}
