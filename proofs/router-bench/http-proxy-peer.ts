/** npm http-proxy over two targets: `node http-proxy-peer.ts <port> <port1> <port2>`. */
import http from 'node:http';
import { createRequire } from 'node:module';

interface ProxyServer {
  web(request: http.IncomingMessage, response: http.ServerResponse, options: { readonly target: string }): void;
  on(event: 'error', listener: (error: Error, request: unknown, response: http.ServerResponse) => void): void;
}
// oxlint-disable-next-line no-unsafe-type-assertion -- http-proxy 1.18 ships without types
const { createProxyServer } = createRequire(import.meta.url)('http-proxy') as {
  createProxyServer(options: { readonly agent: http.Agent; readonly xfwd: boolean }): ProxyServer;
};

const [, , port = '0', ...targets] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
const proxy = createProxyServer({ agent, xfwd: true });
proxy.on('error', (_error, _request, response) => response.writeHead(502).end());
let turn = 0;
http
  .createServer((request, response) => {
    proxy.web(request, response, { target: `http://127.0.0.1:${targets[turn++ % targets.length] ?? ''}` });
  })
  .listen(Number(port), '127.0.0.1');
