import type { Server } from 'node:http';
import { WebSocketServer } from 'ws';
import { VERSION } from './version.ts';

const LARGEST_MESSAGE = 1_000_000;
const GOING_AWAY = 1001;

/** Echoes at /ws. @returns ends the open sockets, waiting a moment for their close handshake */
export function serveSockets(server: Server, release: string): { close(): Promise<void> } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE });
  sockets.on('headers', (headers) => headers.push(`x-growth-release: ${release}`, `x-growth-version: ${VERSION}`));
  sockets.on('connection', (socket) => {
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    socket.on('error', () => socket.terminate());
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (new URL(request.url ?? '/', 'http://growth').pathname !== '/ws') {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request));
  });
  return {
    async close() {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'going away');
      const deadline = Date.now() + 1000;
      while (sockets.clients.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}
