import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, test, type TestContext } from 'vitest';
import { WebSocketServer } from 'ws';
import { createGenerator } from './generator.ts';
import { startTraffic } from './index.ts';
import { KINDS, type Kind, type TrafficOptions } from './model.ts';

/** What a handler may do instead of answering well. */
type Break = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A server with growth's endpoints that does as it is told; `broken` replaces all answers. */
async function serve(t: TestContext, broken?: Break): Promise<{ url: string; seen: Map<string, number> }> {
  const seen = new Map<string, number>();
  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    seen.set(path, (seen.get(path) ?? 0) + 1);
    response.setHeader('x-growth-release', '7');
    if (broken !== undefined) return broken(request, response);
    if (path === '/api/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write('data: tick\n\n'), 20);
      response.on('close', () => clearInterval(timer));
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const chunked = request.headers['transfer-encoding'] === 'chunked';
      const answer = { '/api/actions': '[]', '/api/echo': body, '/api/slow': '{}' }[path];
      const later = path === '/api/slow' ? 100 : 0;
      const upload = JSON.stringify({ bytes: chunked ? body.length : -1 });
      setTimeout(() => response.end(answer ?? upload), later);
    });
  });
  const sockets = new WebSocketServer({ server, path: '/ws' });
  sockets.on('headers', (headers) => headers.push('x-growth-release: 7'));
  sockets.on('connection', (socket) => socket.on('message', (message: Buffer) => socket.send(message.toString())));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.onTestFinished(async () => {
    sockets.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // It listens on TCP, so the address is an object.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const only = (kind: Kind, url: string, more: Partial<TrafficOptions> = {}): TrafficOptions => ({
  url,
  rps: 50,
  mix: { [kind]: 1 },
  maxRequests: 5,
  timeoutMs: 10_000,
  slowMs: 100,
  heldMs: [100, 100],
  ...more,
});

/** Only where an answer never comes: elsewhere a busy machine must not turn it into a timeout. */
const HASTY = { timeoutMs: 300 };
/** Where the server ends it, and we must not be first. */
const PATIENT = { heldMs: [9000, 9000] } as const;

/** Sends five of a kind and waits for their ends. */
async function five(kind: Kind, url: string, more: Partial<TrafficOptions> = {}) {
  const generator = createGenerator(only(kind, url, more));
  for (let now = generator.counters(); now.running || now.inFlight > 0; now = generator.counters()) await delay(10);
  return await generator.stop();
}

describe('good answers', () => {
  test('of every kind count as such, and the figures balance', async (t) => {
    const { url, seen } = await serve(t);
    const mix = Object.fromEntries(KINDS.map((kind) => [kind, 1]));
    const traffic = await startTraffic({
      ...only('get', url, { mix, rps: 140, maxRequests: 70, heldMs: [200, 400] }),
      signal: t.signal,
    });
    await traffic.mark('all of it');
    let now = await traffic.counters();
    while (now.running) {
      await delay(20);
      now = await traffic.counters();
      t.expect(now.sent).toBe(now.ok + now.failed + now.inFlight);
    }
    const end = await traffic.stop();
    t.expect(end.failures).toEqual([]);
    t.expect(end).toMatchObject({ sent: 70, ok: 70, failed: 0, inFlight: 0, notSent: 0, running: false });
    for (const kind of KINDS) t.expect(end.byKind[kind], kind).toEqual({ sent: 10, ok: 10, failed: 0 });
    t.expect(end.byRelease['7']).toMatchObject({ ok: 70, failed: 0 });
    t.expect(end.events).toBeGreaterThan(10);
    t.expect(end.messages).toBeGreaterThanOrEqual(10);
    t.expect(end.latency.count).toBe(40);
    t.expect(end.windows['all of it']?.count).toBeGreaterThan(10);
    t.expect([...seen.values()].reduce((a, b) => a + b)).toBe(60);
    t.expect(await traffic.stop()).toEqual(end);
  });
});

describe('a planted failure is counted:', () => {
  const plain: readonly Kind[] = ['get', 'fresh', 'echo', 'upload', 'slow', 'events'];

  test.for(plain)('500 for %s', async (kind, t) => {
    const { url } = await serve(t, (_, response) => response.writeHead(500).end('broken'));
    const end = await five(kind, url);
    t.expect(end).toMatchObject({ sent: 5, failed: 5, statuses: 5, inFlight: 0 });
    t.expect(end.failures[0]).toMatchObject({ kind, cause: 'status', status: 500, release: '7', error: '500: broken' });
    t.expect(end.byRelease['7']).toMatchObject({ ok: 0, failed: 5, firstFailedAt: t.expect.any(Number) });
  });

  test.for(plain)('a reset of %s', async (kind, t) => {
    const { url } = await serve(t, (request) => request.socket.resetAndDestroy());
    const end = await five(kind, url);
    t.expect(end).toMatchObject({ sent: 5, failed: 5, resets: 5, inFlight: 0 });
    t.expect(end.failures[0]).toMatchObject({ kind, cause: 'reset', status: undefined, release: undefined });
  });

  test.for(plain)('no answer to %s', async (kind, t) => {
    const { url } = await serve(t, () => {});
    t.expect(await five(kind, url, HASTY)).toMatchObject({ sent: 5, failed: 5, timeouts: 5, inFlight: 0 });
  });

  test.for(['get', 'echo', 'upload', 'slow'] as const)('a cut chunk for %s', async (kind, t) => {
    const { url } = await serve(t, (_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.write('[1, 2');
      setTimeout(() => response.socket?.end(), 20);
    });
    t.expect(await five(kind, url)).toMatchObject({ sent: 5, failed: 5, resets: 5 });
  });

  test('an event stream that is cut', async (t) => {
    const { url } = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
      setTimeout(() => response.socket?.destroy(), 20);
    });
    t.expect(await five('events', url, PATIENT)).toMatchObject({ failed: 5, resets: 5, events: 5 });
  });

  test('an event stream that the server ends properly is no failure', async (t) => {
    const { url } = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: one\n\n');
    });
    t.expect(await five('events', url, PATIENT)).toMatchObject({ ok: 5, endedByServer: 5, events: 5 });
  });

  test('an event stream that is none', async (t) => {
    const { url } = await serve(t, (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end());
    t.expect(await five('events', url)).toMatchObject({ failed: 5, contents: 5 });
  });

  test.for(['get', 'echo', 'upload'] as const)('a wrong body for %s', async (kind, t) => {
    const { url } = await serve(t, (_, response) => response.end(kind === 'get' ? '<html>' : '{"n":-1,"bytes":3}'));
    t.expect(await five(kind, url)).toMatchObject({ sent: 5, failed: 5, contents: 5 });
  });

  test('a server that is not there', async (t) => {
    const end = await five('get', 'http://127.0.0.1:9');
    t.expect(end).toMatchObject({ sent: 5, failed: 5, resets: 5 });
    t.expect(end.failures[0]?.error).toContain('ECONNREFUSED');
  });

  test('more in flight than allowed is counted as not sent', async (t) => {
    const { url } = await serve(t, () => {});
    t.expect(await five('get', url, { ...HASTY, maxInFlight: 2 })).toMatchObject({ sent: 2, notSent: 3, timeouts: 2 });
  });
});

describe('a socket', () => {
  const sockets = async (
    t: TestContext,
    talk: (socket: import('ws').WebSocket, raw: Socket) => void,
  ): Promise<string> => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    server.on('connection', (socket, request) => talk(socket, request.socket));
    t.onTestFinished(async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  test('that echoes something else has failed', async (t) => {
    const url = await sockets(t, (socket) => socket.on('message', () => socket.send('{"n":0,"message":99}')));
    t.expect(await five('socket', url)).toMatchObject({ sent: 5, failed: 5, contents: 5 });
  });

  test('that is cut has failed', async (t) => {
    const url = await sockets(t, (socket, raw) => socket.on('message', () => raw.destroy()));
    t.expect(await five('socket', url)).toMatchObject({ sent: 5, failed: 5, resets: 5 });
  });

  test('that stays silent has failed', async (t) => {
    const url = await sockets(t, () => {});
    t.expect(await five('socket', url, HASTY)).toMatchObject({ sent: 5, failed: 5, timeouts: 5 });
  });

  test('that is refused has failed', async (t) => {
    const { url } = await serve(t);
    t.expect(await five('socket', `${url}/`.replace('127.0.0.1', 'localhost'))).toMatchObject({ ok: 5 });
    const refusing = http.createServer();
    refusing.on('upgrade', (_request, raw: Socket) => raw.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'));
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
    t.onTestFinished(() => void refusing.close());
    const { port } = refusing.address() as AddressInfo;
    t.expect(await five('socket', `http://127.0.0.1:${port}`)).toMatchObject({ failed: 5, statuses: 5 });
  });

  test('that the server closes properly, between messages, is no failure', async (t) => {
    const url = await sockets(t, (socket) =>
      socket.on('message', (message: Buffer) => socket.send(message.toString(), () => socket.close(1001))),
    );
    t.expect(await five('socket', url, PATIENT)).toMatchObject({ ok: 5, endedByServer: 5 });
  });
});

describe('a message that a proper close leaves unanswered', () => {
  const closing = async (t: TestContext, afterMs: number): Promise<string> => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    server.on('connection', (socket) => socket.on('message', () => setTimeout(() => socket.close(1001), afterMs)));
    t.onTestFinished(async () => {
      await new Promise((resolve) => server.close(resolve));
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  test('is no failure when the two crossed', async (t) => {
    t.expect(await five('socket', await closing(t, 0), PATIENT)).toMatchObject({ ok: 5, endedByServer: 5, crossed: 5 });
  });

  test('is lost when the server had it for long', async (t) => {
    t.expect(await five('socket', await closing(t, 600), PATIENT)).toMatchObject({ failed: 5, resets: 5, crossed: 0 });
  });
});

describe('the process of its own', () => {
  test('ends with the signal', async (t) => {
    const { url } = await serve(t);
    const abort = new AbortController();
    const traffic = await startTraffic({ ...only('get', url), signal: abort.signal });
    abort.abort(new Error('enough'));
    await t.expect(traffic.counters()).rejects.toThrow('enough');
    await t.expect(traffic.stop()).rejects.toThrow('enough');
  });

  test('stops by itself at its limits', async (t) => {
    const { url } = await serve(t);
    const traffic = await startTraffic({ ...only('get', url, { maxRequests: 1000, maxMs: 200 }), signal: t.signal });
    while ((await traffic.counters()).running) await delay(20);
    const end = await traffic.stop();
    t.expect(end.sent).toBeLessThanOrEqual(10);
  });
});
