import net from 'node:net';
import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { RouterTarget } from '../contract.ts';

/** How the answer to one request arrives. Exactly one of `onEnd` and `onFail` is called, as the last. */
export interface Answer {
  onHead(status: number, message: string, raw: string[]): void;
  onData(chunk: Buffer): void;
  onEnd(trailers: string[] | undefined): void;
  /** @param sent whether a byte of the request may have reached the target */
  onFail(error: Error, sent: boolean): void;
}

export interface UpstreamControl {
  /** Gives the request up; `onFail` may still be called. */
  abort(): void;
  pause(): void;
  resume(): void;
}

export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  /** Without Transfer-Encoding: a body without Content-Length is sent chunked. */
  readonly headers: string[];
  readonly body: Readable | null;
}

/** The connections to one target. */
export interface Upstream {
  send(request: UpstreamRequest, answer: Answer): UpstreamControl;
  close(): void;
}

export interface UpstreamLimits {
  readonly connectMs: number;
  /** From the request's last byte to the answer's first. */
  readonly headersMs: number;
  readonly connections: number;
}

const latin1 = (raw: unknown): string[] =>
  Array.isArray(raw)
    ? raw.map((part: unknown) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)))
    : [];

export function openUpstream(target: RouterTarget, limits: UpstreamLimits): Upstream {
  const host = net.isIPv6(target.host) ? `[${target.host}]` : target.host;
  const pool = new Pool(`http://${host}:${target.port}`, {
    connections: limits.connections,
    pipelining: 1,
    connect: { timeout: limits.connectMs, noDelay: true, keepAlive: true },
    headersTimeout: limits.headersMs,
    // A stream may be silent for as long as both ends like; the drain deadline bounds it at a switch.
    bodyTimeout: 0,
    keepAliveTimeout: 4000,
    maxHeaderSize: 64 * 1024,
  });
  return {
    send(request, answer) {
      let sent = false;
      let given = false;
      let controller: { abort(error: Error): void; pause(): void; resume(): void } | undefined;
      pool.dispatch(
        {
          method: request.method,
          path: request.path,
          headers: request.headers,
          body: request.body,
          idempotent: false,
          blocking: false,
        },
        {
          onRequestStart: (started) => {
            if (given) {
              started.abort(new Error('the client has left'));
              return;
            }
            sent = true;
            controller = started;
          },
          onResponseStart: (started, status, _headers, message) => {
            if (status >= 200) answer.onHead(status, message ?? '', latin1(started.rawHeaders));
          },
          onResponseData: (_started, chunk) => answer.onData(chunk),
          onResponseEnd: (started) => {
            const trailers = latin1(started.rawTrailers);
            answer.onEnd(trailers.length > 0 ? trailers : undefined);
          },
          onResponseError: (_started, error) => answer.onFail(error, sent),
        },
      );
      return {
        abort() {
          given = true;
          controller?.abort(new Error('the client has left'));
        },
        pause: () => controller?.pause(),
        resume: () => controller?.resume(),
      };
    },
    close: () => {
      pool.destroy().catch(() => {});
    },
  };
}
