import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bodyOf, OWN_ANSWERS, type OwnAnswer } from './answers.ts';
import type { Claim } from './core.ts';
import { forwardHeaders, isSaneRequestId, originForm, readAnswerHeaders, readRequestHead } from './headers.ts';
import type { ServerParts } from './parts.ts';
import type { Upstream } from './upstream.ts';

export interface Upgrades {
  /** Whether the upgrade is tried; otherwise the request is served as a plain one. */
  readonly wanted: (request: IncomingMessage) => boolean;
  readonly handle: (request: IncomingMessage, socket: Duplex, early: Buffer) => void;
}

/**
 * WebSockets and other upgrades. The handshake goes through node:http on both sides, so nothing a
 * client sends reaches a target unparsed before the target has agreed with 101; from then on bytes
 * are piped.
 */
export function createUpgrades(parts: ServerParts): Upgrades {
  const { core, health } = parts;
  return {
    wanted(request) {
      const { upgrade, contentLength, chunked } = readRequestHead(request.rawHeaders);
      if (upgrade === undefined || chunked || (contentLength ?? '0') !== '0') return false;
      return upgrade.toLowerCase() !== 'h2c';
    },
    handle(request, socket, early) {
      const head = readRequestHead(request.rawHeaders);
      const id = head.requestId !== undefined && isSaneRequestId(head.requestId) ? head.requestId : parts.nextId();
      const path = originForm(request.url ?? '/');
      let claim: Claim<Upstream> | undefined;
      let outgoing: http.ClientRequest | undefined;
      let far: Duplex | undefined;
      let ended = false;
      let attempts = 0;

      const finish = (status: number, failed: boolean): void => {
        if (ended) return;
        ended = true;
        if (claim !== undefined) core.settle(claim, status, failed);
      };
      const refuse = (answer: OwnAnswer): void => {
        if (ended) return;
        finish(answer.status, true);
        const body = bodyOf(answer, id);
        socket.end(
          `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ''}\r\nconnection: close\r\n` +
            `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      };
      const clientLeft = (): void => {
        finish(0, false);
        outgoing?.destroy();
        far?.destroy();
      };
      socket.on('error', clientLeft);
      socket.on('close', clientLeft);
      if (head.refuse !== undefined || path === '') {
        refuse(OWN_ANSWERS.ambiguous);
        return;
      }

      const dial = (): void => {
        if (claim === undefined || ended) return;
        attempts++;
        const { target } = claim;
        let sent = false;
        const mine = http.request({
          host: target.host,
          port: target.port,
          method: request.method ?? 'GET',
          path,
          headers: [...head.forward, 'connection', 'Upgrade', 'upgrade', head.upgrade ?? ''],
          agent: false,
          timeout: parts.connectMs,
        });
        outgoing = mine;
        mine.on('socket', (wire) =>
          wire.on('connect', () => {
            sent = true;
            mine.setTimeout(0);
          }),
        );
        mine.on('timeout', () => mine.destroy(new Error('the instance did not accept the connection in time')));
        mine.on('error', () => {
          if (ended) return;
          if (!sent) {
            health.markDown(target);
            if (claim !== undefined && attempts < 3 && core.move(claim)) return dial();
          }
          refuse(sent ? OWN_ANSWERS.broken : OWN_ANSWERS.unreachable);
        });
        mine.on('response', (answer) => {
          // Not 101: hand the answer on and end, so that nothing more is read from this client.
          socket.write(statusLine(answer, ['connection', 'close', ...readAnswerHeaders(answer.rawHeaders)]));
          answer.pipe(socket);
          answer.on('end', () => finish(answer.statusCode ?? 502, false));
          answer.on('error', () => socket.destroy());
        });
        mine.on('upgrade', (answer, wire, farEarly) => {
          if (claim === undefined || ended) {
            wire.destroy();
            return;
          }
          far = wire;
          core.upgrade(claim, 101);
          const back = ['connection', 'Upgrade', 'upgrade', answer.headers.upgrade ?? ''];
          socket.write(statusLine(answer, [...back, ...readAnswerHeaders(answer.rawHeaders)]));
          if (farEarly.length > 0) socket.write(farEarly);
          if (early.length > 0) wire.write(early);
          wire.on('error', () => socket.destroy());
          wire.on('close', () => socket.destroy());
          untimed(wire);
          untimed(socket);
          wire.pipe(socket);
          socket.pipe(wire);
        });
        mine.end();
      };
      const route = (): void => {
        const picked = core.claim(head.cookie, head.override);
        if (picked === 'held') {
          const held = core.hold.add((outcome) => (outcome === 'go' ? route() : refuse(OWN_ANSWERS['hold-late'])));
          if (held === undefined) refuse(OWN_ANSWERS['hold-full']);
          else socket.once('close', () => core.hold.drop(held));
          return;
        }
        if (typeof picked === 'string') return refuse(OWN_ANSWERS[picked]);
        claim = picked;
        parts.onClaim();
        forwardHeaders(head, remoteOf(request.socket), parts.trustProxy, id);
        dial();
      };
      route();
    },
  };
}

const remoteOf = (socket: Socket): string => socket.remoteAddress ?? '';

function untimed(stream: Duplex): void {
  if ('setTimeout' in stream && typeof stream.setTimeout === 'function') stream.setTimeout(0);
  if ('setNoDelay' in stream && typeof stream.setNoDelay === 'function') stream.setNoDelay(true);
}

function statusLine(answer: IncomingMessage, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
  return `${text}\r\n`;
}
