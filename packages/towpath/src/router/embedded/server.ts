import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { begin } from './exchange.ts';
import type { ServerParts } from './parts.ts';
import { createUpgrades } from './upgrade.ts';

/** The router's public server, not yet listening. */
export function createRouterServer(parts: ServerParts): http.Server {
  const upgrades = createUpgrades(parts);
  const server = http.createServer(
    {
      noDelay: true,
      // Longer than the idle timeouts of usual load balancers, so that they close first, not we.
      keepAliveTimeout: 75_000,
      headersTimeout: 60_000,
      // An upload may take as long as it moves; the target's own limits apply.
      requestTimeout: 0,
      maxHeaderSize: 64 * 1024,
      insecureHTTPParser: false,
      optimizeEmptyRequests: true,
      // `Upgrade: h2c` is an offer that a plain answer declines.
      shouldUpgradeCallback: upgrades.wanted,
    },
    (request, response) => begin(parts, request, response),
  );
  server.on('upgrade', upgrades.handle);
  // No answer for CONNECT: this is no forward proxy.
  server.on('connect', (_request: IncomingMessage, socket: Socket) => socket.destroy());
  return server;
}
