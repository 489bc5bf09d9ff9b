import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';

/** A JSON value from outside, not looked at yet. */
export type Fields = Readonly<Record<string, unknown>>;
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

const LARGEST_BODY = 1_000_000;

/** Serves on 127.0.0.1. @param port 0 takes a free one */
export async function listen(
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => Promise<void>,
): Promise<Listening> {
  const server: Server = createServer((request, response) => {
    void (async () => {
      try {
        let body = '';
        request.setEncoding('utf8');
        for await (const part of request) {
          body += String(part);
          if (body.length > LARGEST_BODY) throw new Error('body too large');
        }
        await handle(request, response, body);
      } catch {
        response.destroy();
      }
    })();
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  const address = server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Between two values, evenly. */
export const between = ([least, most]: readonly [number, number]): number => least + Math.random() * (most - least);

/** Numbers of a `/__behave` request over what was there; others are ignored. */
export function overlay<T extends object>(current: T, wanted: unknown): T {
  if (!isFields(wanted)) return current;
  const known = Object.entries(wanted).filter(
    ([name, value]) => name in current && typeof value === typeof Reflect.get(current, name),
  );
  return { ...current, ...Object.fromEntries(known) };
}

/** Runs a simulator from the command line until SIGTERM or SIGINT; prints its URL as the only line. */
export async function runFromCommandLine(
  start: (options: { readonly port: number; readonly state?: string; readonly plan?: string }) => Promise<Listening>,
): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '0' }, state: { type: 'string' }, plan: { type: 'string' } },
  });
  const { state, plan } = values;
  const running = await start({
    port: Number(values.port),
    ...(state === undefined ? {} : { state }),
    ...(plan === undefined ? {} : { plan }),
  });
  process.stdout.write(`${running.url}\n`);
  const stop = (): void => void running.close().then(() => process.exit(0));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
