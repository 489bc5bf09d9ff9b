/**
 * An app for the router's tests, in a process of its own so that it can be killed:
 * `node testing-app.ts <release>`. Answers with its release after 0 to 100 ms, `/wait` only when the
 * file in its query appears, and prints its port.
 */
import { existsSync } from 'node:fs';
import http from 'node:http';

const [, , release = ''] = process.argv;
const server = http.createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://app');
  request.resume();
  request.on('end', () => {
    if (url.pathname === '/wait') {
      const file = url.searchParams.get('file') ?? '';
      const look = setInterval(() => {
        if (!existsSync(file)) return;
        clearInterval(look);
        response.end(release);
      }, 10);
      return;
    }
    if (url.pathname === '/fast') response.end(release);
    else setTimeout(() => response.end(release), Math.random() * 100);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
// Whoever started it is gone.
process.stdin.on('end', () => process.exit(0)).resume();
