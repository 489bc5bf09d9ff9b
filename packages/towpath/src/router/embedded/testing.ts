import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { RouterTarget, RouteTable } from '../contract.ts';
import { createPlane, type Plane } from './plane.ts';
import { DEFAULT_SETTINGS, type RouterSettings } from './settings.ts';

/** Servers and clients of the router's own tests. */
export interface TestApp {
  readonly port: number;
  readonly server: http.Server;
  close(): Promise<void>;
}

export async function startApp(handler: http.RequestListener, port = 0): Promise<TestApp> {
  const server = http.createServer(handler);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: portOf(server),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function portOf(server: net.Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen');
  return address.port;
}

/** A port on which nothing listens, now. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

export const targetAt = (port: number, release = 1, id = `r${release}-${port}`): RouterTarget => ({
  id,
  release,
  host: '127.0.0.1',
  port,
});

/** A table that gives each release a share. */
export const tableOf = (
  targets: readonly RouterTarget[],
  weights: Readonly<Record<number, number>>,
  more: Partial<RouteTable> = {},
): RouteTable => ({
  targets,
  weights: Object.entries(weights).map(([release, weight]) => ({ release: Number(release), weight })),
  sticky: false,
  hold: false,
  ...more,
});

export const TEST_KEY = 'a key for tests, long enough to be one';

/** A router inside the test's process, listening. */
export async function openTestPlane(
  table: RouteTable,
  settings: Partial<RouterSettings> = {},
): Promise<Plane & { readonly port: number }> {
  const plane = createPlane({ key: TEST_KEY, settings: { ...DEFAULT_SETTINGS, ...settings }, table, boot: 'test' });
  plane.server.listen(0, '127.0.0.1');
  await once(plane.server, 'listening');
  return { ...plane, port: portOf(plane.server) };
}

export interface Fetched {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly trailers: NodeJS.Dict<string>;
}

/** One request on a connection of its own, or through `agent`. Rejects when the connection breaks. */
export async function call(port: number, options: http.RequestOptions = {}, body?: string | Buffer): Promise<Fetched> {
  return await new Promise<Fetched>((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, headers, trailers } = response;
        resolve({ status: statusCode, headers, trailers, text: Buffer.concat(chunks).toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends bytes as they are and returns what comes back until the router closes, or `ms` are over. */
export async function raw(port: number, text: string, ms = 1500): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  socket.on('error', () => {});
  socket.write(text, 'latin1');
  socket.setTimeout(ms, () => socket.destroy());
  await once(socket, 'close');
  return answer;
}

/** A router before one app; both end with the test. */
export async function withApp(
  handler: http.RequestListener,
  onTestFinished: (end: () => Promise<void>) => void,
  settings = {},
): Promise<Plane & { readonly port: number; readonly app: http.Server }> {
  const app = await startApp(handler);
  const plane = await openTestPlane(tableOf([targetAt(app.port)], { 1: 100 }), settings);
  onTestFinished(async () => {
    plane.close();
    await app.close();
  });
  return { ...plane, app: app.server };
}
