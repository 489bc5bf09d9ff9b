import type { Server } from 'node:http';
import type { RouteTable } from '../contract.ts';
import { createCore, type Core } from './core.ts';
import { createHealth } from './health.ts';
import { createRouterServer } from './server.ts';
import type { RouterSettings } from './settings.ts';
import { createTokens } from './tokens.ts';
import { openUpstream, type Upstream } from './upstream.ts';

export interface Plane {
  /** Not listening yet. */
  readonly server: Server;
  readonly core: Core<Upstream>;
  /** Looks at all targets now, and marks those that refuse. */
  checkTargets(): void;
  close(): void;
}

/** Core, health and server, connected. Used by the worker process, and by tests inside theirs. */
export function createPlane(options: {
  readonly key: string;
  readonly settings: RouterSettings;
  readonly table?: RouteTable;
  /** Unique per start; request ids begin with it. */
  readonly boot: string;
  readonly onClaim?: () => void;
  readonly random?: () => number;
}): Plane {
  const { settings } = options;
  const tokens = createTokens(options.key);
  const core = createCore<Upstream>({
    tokens,
    openLink: (target) => openUpstream(target, settings),
    closeLink: (link) => link.close(),
    elapsed: () => performance.now(),
    random: options.random ?? Math.random,
    hold: { count: settings.holdCount, ms: settings.holdMs },
  });
  const health = createHealth<Upstream>({ everyMs: settings.probeMs, connectMs: 2000 });
  let made = 0;
  const server = createRouterServer({
    core,
    health,
    tokens,
    trustProxy: settings.trustProxy,
    connectMs: settings.connectMs,
    nextId: () => `${options.boot}-${(made++).toString(36)}`,
    onClaim: options.onClaim ?? (() => {}),
  });
  if (options.table !== undefined) core.apply(options.table);
  return {
    server,
    core,
    checkTargets() {
      for (const target of core.targets()) health.check(target);
    },
    close() {
      health.stop();
      server.close();
      server.closeAllConnections();
      for (const target of core.targets()) target.link.close();
    },
  };
}
