import { test } from 'vitest';
import { call, raw, withApp } from './testing.ts';

test('the app is told who asked, and not what concerns the connection alone', async ({ expect, onTestFinished }) => {
  const plane = await withApp((request, response) => response.end(JSON.stringify(request.headers)), onTestFinished);
  const headers = {
    host: 'shop.example',
    connection: 'keep-alive, x-secret-hop',
    'x-secret-hop': '1',
    'keep-alive': 'timeout=9',
    'proxy-authorization': 'Basic x',
    te: 'gzip',
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'https',
    'x-request-id': 'my-id-1',
  };
  const seen = JSON.parse((await call(plane.port, { headers })).text) as Record<string, string>;
  expect(seen).toMatchObject({
    host: 'shop.example',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'shop.example',
    'x-request-id': 'my-id-1',
  });
  for (const name of ['x-secret-hop', 'keep-alive', 'proxy-authorization', 'te', 'upgrade'])
    expect(seen).not.toHaveProperty(name);
  const odd = JSON.parse((await call(plane.port, { headers: { 'x-request-id': 'a b"c' } })).text) as Record<
    string,
    string
  >;
  expect(odd['x-request-id']).toMatch(/^test-/);
});

test('behind a trusted proxy, what it says is kept and added to', async ({ expect, onTestFinished }) => {
  const plane = await withApp((request, response) => response.end(JSON.stringify(request.headers)), onTestFinished, {
    trustProxy: true,
  });
  const headers = { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' };
  expect(JSON.parse((await call(plane.port, { headers })).text)).toMatchObject({
    ...headers,
    'x-forwarded-for': '6.6.6.6, 127.0.0.1',
  });
});

test.for([
  [
    'Content-Length and Transfer-Encoding',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nhost: x\r\n\r\n',
  ],
  ['two Content-Lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde'],
  ['a Transfer-Encoding in disguise', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n'],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['gzip before chunked', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['a space before the colon', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length : 4\r\n\r\nabcd'],
  ['a folded header', 'GET / HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n transfer-encoding: chunked\r\n\r\n'],
  ['two Hosts', 'GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['bare line feeds', 'POST / HTTP/1.1\nhost: x\ncontent-length: 0\n\n'],
  ['a chunk size with a sign', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n'],
] as const)('smuggling: %s never reaches the app as a whole request', async ([, text], { expect, onTestFinished }) => {
  let whole = 0;
  const plane = await withApp((request, response) => {
    request.on('end', () => whole++);
    request.resume();
    request.on('end', () => response.end());
  }, onTestFinished);
  const answer = await raw(plane.port, text, 800);
  expect(answer).toMatch(/^(HTTP\/1\.1 (400|501|502)|$)/);
  expect(whole).toBe(0);
});
