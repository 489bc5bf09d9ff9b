/**
 * A small Node app for the router benchmark: `node node-backend.ts <port> <rows>`. Each request builds
 * and serialises a list, as an API route does once its query has answered; an app with a framework
 * and a database takes many times as long.
 */
import http from 'node:http';

const [, , port = '0', count = '20'] = process.argv;
const server = http.createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://app');
  const rows = Array.from({ length: Number(count) }, (_, id) => ({
    id,
    title: `Product ${id}`,
    price: (id * 199) / 100,
    path: `${url.pathname}${id}`,
    tags: ['new', 'sale'],
  }));
  const body = JSON.stringify({ rows });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
  request.resume();
});
server.keepAliveTimeout = 120_000;
server.listen(Number(port), '127.0.0.1');
