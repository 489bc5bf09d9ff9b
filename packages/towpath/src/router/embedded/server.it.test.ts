import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { until } from '../../system/index.ts';
import type { Plane } from './plane.ts';
import {
  call,
  closedPort,
  openTestPlane,
  portOf,
  raw,
  startApp,
  tableOf,
  targetAt,
  TEST_KEY,
  withApp,
} from './testing.ts';
import { signRelease } from './tokens.ts';

const soon = { every: 5, within: 5000 };
const flying = (plane: Plane): number => plane.core.inFlight();
const totalsOf = (plane: Plane, release = 1) => plane.core.read().totals.find((lane) => lane.release === release);

test('an answer passes unchanged: status, headers, several cookies, body, trailers', async ({
  expect,
  onTestFinished,
}) => {
  const plane = await withApp((_request, response) => {
    response.writeHead(
      418,
      'Short And Stout',
      [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-odd', 'caf\u00e9'],
        ['trailer', 'x-sum'],
      ].flat(),
    );
    response.write('tea');
    setTimeout(() => {
      response.addTrailers({ 'x-sum': '42' });
      response.end(' pot');
    }, 20);
  }, onTestFinished);
  const answer = await call(plane.port);
  expect(answer).toMatchObject({ status: 418, text: 'tea pot', trailers: { 'x-sum': '42' } });
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(answer.headers['x-odd']).toBe('caf\u00e9');
});

test('binary bodies, small and large, fixed and chunked, arrive byte for byte', async ({ expect, onTestFinished }) => {
  const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) & 255));
  const plane = await withApp((request, response) => {
    const size = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('size'));
    if (request.url?.includes('fixed')) response.setHeader('content-length', size);
    response.end(bytes(size));
  }, onTestFinished);
  for (const size of [0, 1, 300, 16_384, 16_385, 300_000]) {
    for (const kind of ['fixed', 'chunked']) {
      const got = await fetch(`http://127.0.0.1:${plane.port}/${kind}?size=${size}`, {
        headers: { connection: 'close' },
      });
      expect(Buffer.from(await got.arrayBuffer()).equals(bytes(size))).toBe(true);
    }
  }
});

test('HEAD, 204 and 304 have no body, and the connection stays usable', async ({ expect, onTestFinished }) => {
  const plane = await withApp((request, response) => {
    response.writeHead(Number(request.url?.slice(1)), request.url === '/200' ? { 'content-length': 5 } : {});
    response.end(request.url === '/200' && request.method === 'GET' ? 'hello' : undefined);
  }, onTestFinished);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  expect(await call(plane.port, { agent, method: 'HEAD', path: '/200' })).toMatchObject({
    status: 200,
    text: '',
    headers: { 'content-length': '5' },
  });
  expect(await call(plane.port, { agent, path: '/204' })).toMatchObject({ status: 204, text: '' });
  expect(await call(plane.port, { agent, path: '/304' })).toMatchObject({ status: 304, text: '' });
  expect(await call(plane.port, { agent, path: '/200' })).toMatchObject({ status: 200, text: 'hello' });
});

test('a chunked upload streams through, and a slow app slows the client down', async ({ expect, onTestFinished }) => {
  const gate = Promise.withResolvers<void>();
  let got = 0;
  const plane = await withApp((request, response) => {
    void gate.promise.then(() => {
      request.on('data', (chunk: Buffer) => (got += chunk.length));
      request.on('end', () => response.end(String(got)));
    });
  }, onTestFinished);
  const request = http.request({ host: '127.0.0.1', port: plane.port, method: 'POST', agent: false });
  const answered = once(request, 'response');
  const chunk = Buffer.alloc(64 * 1024, 1);
  let sent = 0;
  while (sent < 64 * 1024 * 1024) {
    sent += chunk.length;
    if (!request.write(chunk)) {
      const moved = await Promise.race([once(request, 'drain').then(() => true), delay(300).then(() => false)]);
      if (!moved) break;
    }
  }
  // Kernel buffers and a few stream buffers, but not the whole of what the client would like to send.
  expect(sent).toBeLessThan(32 * 1024 * 1024);
  gate.resolve();
  request.end();
  const [response] = (await answered) as [http.IncomingMessage];
  let text = '';
  for await (const part of response) text += String(part);
  expect(Number(text)).toBe(sent);
});

test('a slow client slows the app down', async ({ expect, onTestFinished }) => {
  let produced = 0;
  const plane = await withApp((_request, response) => {
    const chunk = Buffer.alloc(64 * 1024, 1);
    const more = (): void => {
      while (produced < 64 * 1024 * 1024) {
        produced += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  }, onTestFinished);
  const socket = net.connect(plane.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await delay(500);
  const stalled = produced;
  await delay(200);
  expect(produced).toBe(stalled);
  expect(produced).toBeLessThan(48 * 1024 * 1024);
  expect(flying(plane)).toBe(1);
  socket.destroy();
  await until('the app is let go', () => flying(plane) === 0, soon);
});

test('Expect: 100-continue is answered, and not passed on', async ({ expect, onTestFinished }) => {
  const plane = await withApp((request, response) => {
    response.end(String(request.headers.expect));
    request.resume();
  }, onTestFinished);
  const answer = await raw(
    plane.port,
    'POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  expect(answer).toContain('undefined');
});

test('event streams arrive as they are sent, and are counted apart', async ({ expect, onTestFinished }) => {
  let push: ((text: string) => void) | undefined;
  const plane = await withApp((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    push = (text) => response.write(text);
  }, onTestFinished);
  const request = http.get({ host: '127.0.0.1', port: plane.port, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
    const chunk = once(response, 'data');
    push?.(text);
    expect(String((await chunk)[0])).toBe(text);
  }
  expect(plane.core.read().inFlight[0]).toMatchObject({ requests: 0, upgraded: 1 });
  request.on('error', () => {});
  request.destroy();
  await until('the stream is closed', () => plane.core.read().inFlight[0]?.upgraded === 0, soon);
});

test('a WebSocket echoes through, survives a switch, and closes on both sides', async ({ expect, onTestFinished }) => {
  const plane = await withApp((_request, response) => response.end(), onTestFinished);
  const sockets = new WebSocketServer({ server: plane.app });
  sockets.on('connection', (socket, request) => {
    socket.send(String(request.headers['x-forwarded-for']));
    socket.on('message', (message: Buffer) => socket.send(message.toString()));
  });
  const other = await startApp((_request, response) => response.end('new'));
  onTestFinished(() => other.close());
  const socket = new WebSocket(`ws://127.0.0.1:${plane.port}/live`);
  const hello = once(socket, 'message');
  await once(socket, 'open');
  expect(String((await hello)[0])).toBe('127.0.0.1');
  const { table } = plane.core.read();
  plane.core.apply(tableOf([...table.targets, targetAt(other.port, 2)], { 1: 0, 2: 100 }));
  expect((await call(plane.port)).text).toBe('new');
  const echo = once(socket, 'message');
  socket.send('x'.repeat(100_000));
  expect(String((await echo)[0])).toHaveLength(100_000);
  expect(plane.core.read().inFlight[0]).toMatchObject({ requests: 0, upgraded: 1 });
  socket.close();
  await until('it is closed', () => plane.core.read().inFlight[0]?.upgraded === 0, soon);
});

test('an upgrade that the app declines is a plain answer, and nothing more is read', async ({
  expect,
  onTestFinished,
}) => {
  const plane = await withApp((_request, response) => response.writeHead(426).end('no'), onTestFinished);
  plane.app.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'));
  const upgrade = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';
  const answer = await raw(plane.port, `${upgrade}GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 403/);
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(flying(plane)).toBe(0);
  const h2c = await raw(plane.port, upgrade.replace('websocket', 'h2c').replace('Upgrade\r', 'Upgrade, close\r'));
  expect(h2c).toMatch(/^HTTP\/1\.1 426/);
});

test('a client that leaves ends the request at the app, and it counts as aborted', async ({
  expect,
  onTestFinished,
}) => {
  const gone = Promise.withResolvers<void>();
  const plane = await withApp((request) => request.on('close', () => gone.resolve()), onTestFinished);
  const request = http.get({ host: '127.0.0.1', port: plane.port, agent: false });
  request.on('error', () => {});
  await until('it is in flight', () => flying(plane) === 1, soon);
  await delay(20);
  request.destroy();
  await gone.promise;
  await until('it is let go', () => flying(plane) === 0, soon);
  expect(totalsOf(plane)).toMatchObject({ requests: 1, failures: 0, byStatus: { aborted: 1 } });
});

test('a client that leaves in the middle of its upload is no failure of the app', async ({
  expect,
  onTestFinished,
}) => {
  const plane = await withApp((request) => void request.resume(), onTestFinished);
  const request = http.request({ host: '127.0.0.1', port: plane.port, method: 'POST', agent: false });
  request.on('error', () => {});
  request.write('part of it');
  await until('it is in flight', () => flying(plane) === 1, soon);
  await delay(50);
  request.destroy();
  await until('it is let go', () => flying(plane) === 0, soon);
  expect(totalsOf(plane)).toMatchObject({ requests: 1, failures: 0, byStatus: { aborted: 1, '5xx': 0 } });
});

test('odd answers do not end the router: no reason phrase, a foreign one, trailers in a short body', async ({
  expect,
  onTestFinished,
}) => {
  const answers = [
    'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok',
    'HTTP/1.1 200 caf\u00e9\r\ncontent-length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n',
  ];
  let n = 0;
  const app = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answers[n++ % answers.length] ?? '', 'latin1'));
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  const plane = await openTestPlane(tableOf([targetAt(portOf(app))], { 1: 100 }));
  onTestFinished(async () => {
    plane.close();
    app.close();
  });
  for (let i = 0; i < answers.length; i++) expect(await call(plane.port)).toMatchObject({ status: 200, text: 'ok' });
  expect(await call(plane.port, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
});

test('an app that breaks off in the body breaks the answer off', async ({ expect, onTestFinished }) => {
  const plane = await withApp((_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  }, onTestFinished);
  await expect(call(plane.port)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  expect(totalsOf(plane)).toMatchObject({ requests: 1, failures: 1, byStatus: { aborted: 1 } });
});

test('a POST that may have taken effect is not repeated; a GET is', async ({ expect, onTestFinished }) => {
  const seen: string[] = [];
  const plane = await withApp((request, response) => {
    seen.push(request.method ?? '');
    if (request.method === 'POST' || seen.length < 3) response.destroy();
    else response.end('ok');
  }, onTestFinished);
  const post = await call(plane.port, { method: 'POST' }, 'x');
  expect(post.status).toBe(502);
  expect(JSON.parse(post.text)).toMatchObject({ error: { code: 'router.target_broke_off' } });
  expect(JSON.parse(post.text).error.message).toContain(post.headers['x-request-id']);
  expect(await call(plane.port)).toMatchObject({ status: 200, text: 'ok' });
  expect(seen).toEqual(['POST', 'GET', 'GET']);
});

test('what was never sent goes to another target, with its body, and the dead one is passed over until it is back', async ({
  expect,
  onTestFinished,
}) => {
  const alive = await startApp((request, response) => void request.pipe(response));
  const port = await closedPort();
  const plane = await openTestPlane(
    tableOf([targetAt(port, 1, 'dead'), targetAt(alive.port, 1, 'alive')], { 1: 100 }),
    { probeMs: 30 },
  );
  onTestFinished(async () => {
    plane.close();
    await alive.close();
  });
  for (let i = 0; i < 6; i++) {
    expect(await call(plane.port, { method: 'POST' }, `body ${i}`)).toMatchObject({ status: 200, text: `body ${i}` });
  }
  const health = (): boolean | undefined => plane.core.read().targets.find((target) => target.id === 'dead')?.healthy;
  expect(health()).toBe(false);
  expect(totalsOf(plane)).toMatchObject({ requests: 6, failures: 0 });
  const back = await startApp((_request, response) => response.end(), port);
  onTestFinished(() => back.close());
  await until('the probe sees it', health, soon);
});

test('when nobody answers it is a 502, and it counts for the release that was picked', async ({
  expect,
  onTestFinished,
}) => {
  const plane = await openTestPlane(tableOf([targetAt(await closedPort())], { 1: 100 }));
  onTestFinished(() => plane.close());
  const answer = await call(plane.port);
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'router.target_unreachable' } });
  expect(totalsOf(plane)).toMatchObject({ requests: 1, failures: 1, byStatus: { '5xx': 1 } });
});

test('an app that does not answer in time is a 504', async ({ expect, onTestFinished }) => {
  const plane = await withApp(() => {}, onTestFinished, { headersMs: 300 });
  const answer = await call(plane.port);
  expect(answer.status).toBe(504);
  expect(totalsOf(plane)).toMatchObject({ failures: 1 });
});

test('requests wait in a hold and go on by the new table; beyond the bounds they get a 503 with Retry-After', async ({
  expect,
  onTestFinished,
}) => {
  const plane = await withApp((_request, response) => response.end('old'), onTestFinished, {
    holdCount: 2,
    holdMs: 150,
  });
  const { table } = plane.core.read();
  plane.core.apply({ ...table, hold: true });
  const waiting = [call(plane.port), call(plane.port)];
  await until('two wait', () => plane.core.hold.size() === 2, soon);
  const third = await call(plane.port);
  expect(third).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
  expect(JSON.parse(third.text)).toMatchObject({ error: { code: 'router.hold_full' } });
  plane.core.apply(table);
  expect((await Promise.all(waiting)).map((answer) => answer.text)).toEqual(['old', 'old']);
  plane.core.apply({ ...table, hold: true });
  expect(JSON.parse((await call(plane.port)).text)).toMatchObject({ error: { code: 'router.hold_late' } });
});

test('the cookie is set while two share traffic, and the tester header works and goes no further', async ({
  expect,
  onTestFinished,
}) => {
  const one = await startApp((request, response) => response.end(`1 ${String(request.headers['x-towpath-release'])}`));
  const two = await startApp((request, response) => response.end(`2 ${String(request.headers['x-towpath-release'])}`));
  const targets = [targetAt(one.port, 1), targetAt(two.port, 2)];
  const plane = await openTestPlane(tableOf(targets, { 1: 50, 2: 50 }, { sticky: true, candidate: 2 }));
  onTestFinished(async () => {
    plane.close();
    await Promise.all([one.close(), two.close()]);
  });
  const first = await call(plane.port);
  const [cookie = ''] = first.headers['set-cookie'] ?? [];
  expect(cookie).toMatch(/^towpath_bucket=\d+\.[\w-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
  for (let i = 0; i < 10; i++) {
    const again = await call(plane.port, { headers: { cookie: `z=1; ${cookie.split(';')[0] ?? ''}` } });
    expect(again.text).toBe(first.text);
    expect(again.headers['set-cookie']).toBeUndefined();
  }
  plane.core.apply(tableOf(targets, { 1: 100, 2: 0 }, { sticky: true, candidate: 2 }));
  expect((await call(plane.port)).headers['set-cookie']).toBeUndefined();
  expect((await call(plane.port, { headers: { 'x-towpath-release': signRelease(TEST_KEY, 2) } })).text).toBe(
    '2 undefined',
  );
  expect((await call(plane.port, { headers: { 'x-towpath-release': '2.forged' } })).text).toBe('1 undefined');
});
