/** A trivial Node app for the router benchmark: `node node-backend.ts <port> <bytes>`. */
import http from 'node:http';

const [, , port = '0', bytes = '200'] = process.argv;
const body = 'x'.repeat(Number(bytes));
const server = http.createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
  request.resume();
});
server.keepAliveTimeout = 120_000;
server.listen(Number(port), '127.0.0.1');
