import net from 'node:net';
import type { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import type { RouterTarget } from '../contract.ts';
import type { AnswerFields } from './headers.ts';

/** How the answer to one request arrives. Exactly one of `onEnd` and `onFail` is called, as the last. */
export interface Answer {
  onHead(status: number, message: string, fields: AnswerFields): void;
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

/** Trailer names and values as undici delivers them, as text. */
function latin1(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  const text: string[] = [];
  if (!Array.isArray(raw)) return text;
  for (const part of raw) text.push(typeof part === 'string' ? part : part.toString('latin1'));
  return text;
}

/** One request at undici: its handler and our control in one record with shared functions. */
interface Sending extends UpstreamControl, Dispatcher.DispatchHandler {
  readonly answer: Answer;
  sent: boolean;
  given: boolean;
  controller: Dispatcher.DispatchController | undefined;
}

const GIVEN_UP = new Error('the client has left');

function onRequestStart(this: Sending, controller: Dispatcher.DispatchController): void {
  if (this.given) {
    controller.abort(GIVEN_UP);
    return;
  }
  this.sent = true;
  this.controller = controller;
}

function onResponseStart(
  this: Sending,
  _controller: Dispatcher.DispatchController,
  status: number,
  fields: AnswerFields,
  message?: string,
): void {
  if (status >= 200) this.answer.onHead(status, message ?? '', fields);
}

function onResponseData(this: Sending, _controller: Dispatcher.DispatchController, chunk: Buffer): void {
  this.answer.onData(chunk);
}

function onResponseEnd(this: Sending, controller: Dispatcher.DispatchController): void {
  const { rawTrailers } = controller;
  const some = Array.isArray(rawTrailers) && rawTrailers.length > 0;
  this.answer.onEnd(some ? latin1(rawTrailers) : undefined);
}

function onResponseError(this: Sending, _controller: Dispatcher.DispatchController, error: Error): void {
  this.answer.onFail(error, this.sent);
}

function abort(this: Sending): void {
  this.given = true;
  this.controller?.abort(GIVEN_UP);
}

function pause(this: Sending): void {
  this.controller?.pause();
}

function resume(this: Sending): void {
  this.controller?.resume();
}

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
      const sending: Sending = {
        answer,
        sent: false,
        given: false,
        controller: undefined,
        abort,
        pause,
        resume,
        onRequestStart,
        onResponseStart,
        onResponseData,
        onResponseEnd,
        onResponseError,
      };
      const { method, path, headers, body } = request;
      pool.dispatch({ method, path, headers, body, idempotent: false, blocking: false }, sending);
      return sending;
    },
    close: () => {
      pool.destroy().catch(() => {});
    },
  };
}
