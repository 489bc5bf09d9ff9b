// The smallest web group there can be: says which release it is, and is slow or broken when told so.
import { appendFileSync } from 'node:fs';
import http from 'node:http';

const release = process.env.TOWPATH_RELEASE ?? '0';
const behaviour = JSON.parse(process.env.TOY ?? '{}');
let served = 0;
const server = http.createServer((request, response) => {
  response.setHeader('x-growth-release', release);
  if (request.url === '/ready') {
    response.statusCode = behaviour.neverReady ? 503 : 200;
    return response.end();
  }
  // The app's own word on what reached it.
  if (process.env.TOY_REQUESTS) appendFileSync(process.env.TOY_REQUESTS, `${release} ${request.url}\n`);
  served++;
  if (behaviour.failEvery && served % behaviour.failEvery === 0) {
    response.statusCode = 500;
    return response.end('planted failure');
  }
  if (request.url === '/exit') process.exit(7);
  setTimeout(() => response.end(JSON.stringify({ release, version: behaviour.version ?? '' })), behaviour.delayMs ?? 2);
});
server.keepAliveTimeout = 60_000;
if (behaviour.crashAtOnce) {
  console.error('planted: this release cannot start');
  process.exit(3);
}
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
