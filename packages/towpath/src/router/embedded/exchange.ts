import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { answerOurselves, OWN_ANSWERS, type OwnAnswer } from './answers.ts';
import type { Claim } from './core.ts';
import {
  flattenAnswerFields,
  forwardHeaders,
  isSaneRequestId,
  originForm,
  readRequestHead,
  without,
  type AnswerFields,
  type RequestHead,
} from './headers.ts';
import { BUCKET_COOKIE } from './tokens.ts';
import type { ServerParts } from './parts.ts';
import type { Answer, Upstream, UpstreamControl } from './upstream.ts';

const ATTEMPTS = 3;
/** undici reads the reason phrase as UTF-8; node:http writes ASCII. */
const PLAIN = /^[\t\x20-\x7e]*$/;
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
const CANNOT_CONNECT = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** Bodies up to this size are joined with their head into one write. */
const SMALL_BODY = 16 * 1024;

/** One request on its way: a record with shared functions, since thousands a second are made. */
interface Exchange extends Answer {
  readonly parts: ServerParts;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client's; kept, because undici takes it off a request whose body it gives up. */
  readonly socket: Socket;
  readonly head: RequestHead;
  readonly id: string;
  readonly path: string;
  readonly hasBody: boolean;
  claim: Claim<Upstream> | undefined;
  control: UpstreamControl | undefined;
  attempts: number;
  status: number;
  message: string;
  headers: string[] | undefined;
  /** Bytes of the body that the answer announced; -1 when it did not. */
  length: number;
  bodyless: boolean;
  /** Trailers follow, so the answer must stay chunked. */
  trailing: boolean;
  first: Buffer | undefined;
  headSent: boolean;
  paused: boolean;
  done: boolean;
}

/** Takes one request from its head to the end of its answer. */
export function begin(parts: ServerParts, request: IncomingMessage, response: ServerResponse): void {
  const head = readRequestHead(request.rawHeaders);
  const exchange: Exchange = {
    parts,
    request,
    response,
    socket: request.socket,
    head,
    id: head.requestId !== undefined && isSaneRequestId(head.requestId) ? head.requestId : parts.nextId(),
    path: originForm(request.url ?? '/'),
    hasBody: head.chunked || (head.contentLength !== undefined && head.contentLength !== '0'),
    claim: undefined,
    control: undefined,
    attempts: 0,
    status: 0,
    message: '',
    headers: undefined,
    length: -1,
    bodyless: false,
    trailing: false,
    first: undefined,
    headSent: false,
    paused: false,
    done: false,
    onHead,
    onData,
    onEnd,
    onFail,
  };
  if (head.refuse !== undefined || exchange.path === '') {
    answerOurselves(response, OWN_ANSWERS.ambiguous, exchange.id, true);
    return;
  }
  response.on('close', () => onClientGone(exchange));
  route(exchange);
}

function route(exchange: Exchange): void {
  const { parts, head } = exchange;
  const claim = parts.core.claim(head.cookie, head.override);
  if (typeof claim === 'string') {
    if (claim === 'held') waitInHold(exchange);
    else refuse(exchange, OWN_ANSWERS[claim]);
    return;
  }
  exchange.claim = claim;
  parts.onClaim();
  forwardHeaders(head, exchange.request.socket.remoteAddress ?? '', parts.trustProxy, exchange.id);
  dispatch(exchange);
}

function waitInHold(exchange: Exchange): void {
  const { hold } = exchange.parts.core;
  const held = hold.add((outcome) => {
    if (exchange.done) return;
    if (outcome === 'go') route(exchange);
    else refuse(exchange, OWN_ANSWERS['hold-late']);
  });
  if (held === undefined) refuse(exchange, OWN_ANSWERS['hold-full']);
  else exchange.response.once('close', () => hold.drop(held));
}

function dispatch(exchange: Exchange): void {
  const { claim, request, head } = exchange;
  if (claim === undefined) return;
  exchange.attempts++;
  exchange.control = claim.target.link.send(
    {
      method: request.method ?? 'GET',
      path: exchange.path,
      headers: head.forward,
      body: exchange.hasBody ? request : null,
    },
    exchange,
  );
}

/** Answers in the target's stead; a claim, if there is one, is settled as failed. */
function refuse(exchange: Exchange, answer: OwnAnswer): void {
  if (exchange.done) return;
  exchange.done = true;
  if (exchange.claim !== undefined) exchange.parts.core.settle(exchange.claim, answer.status, answer.status >= 500);
  answerOurselves(exchange.response, answer, exchange.id, exchange.hasBody && !exchange.request.complete);
}

function onHead(this: Exchange, status: number, message: string, fields: AnswerFields): void {
  if (this.done || this.claim === undefined) return;
  const headers = flattenAnswerFields(fields);
  const { newBucket } = this.claim;
  if (newBucket !== undefined) headers.push('set-cookie', bucketCookie(this, newBucket));
  this.status = status;
  this.message = PLAIN.test(message) ? message : '';
  this.headers = headers;
  this.bodyless = this.request.method === 'HEAD' || status === 204 || status === 304;
  this.trailing = fields['trailer'] !== undefined;
  if (this.trailing && (this.bodyless || this.request.httpVersionMinor === 0)) {
    // node:http throws when trailers are announced for an answer that cannot have any.
    without(headers, ['trailer']);
    this.trailing = false;
  }
  if (this.bodyless) return;
  const length = fields['content-length'];
  if (typeof length === 'string') this.length = Number(length);
  else if (String(fields['content-type']).startsWith('text/event-stream')) {
    this.parts.core.upgrade(this.claim, status);
    sendHead(this);
    this.response.flushHeaders();
    return;
  }
  // Head and body often arrive in one packet and are then sent in one; but never wait for more than
  // the rest of this turn of the event loop.
  if (unsent.length === 0) setImmediate(sendAllLate);
  unsent.push(this);
}

/** Answers whose head has arrived in this turn of the event loop, sent or not. */
let unsent: Exchange[] = [];

function sendAllLate(): void {
  const all = unsent;
  unsent = [];
  for (const exchange of all) sendLate(exchange);
}

function sendLate(exchange: Exchange): void {
  if (exchange.done || exchange.headSent) return;
  try {
    sendHead(exchange);
    exchange.response.flushHeaders();
  } catch (error) {
    // Not inside undici's call, which would catch it: an odd answer must not end the process.
    exchange.control?.abort();
    exchange.onFail(error instanceof Error ? error : new Error(String(error)), true);
  }
}

function sendHead(exchange: Exchange): void {
  const { response, first } = exchange;
  exchange.headSent = true;
  response.writeHead(exchange.status, exchange.message, exchange.headers);
  if (first !== undefined) {
    exchange.first = undefined;
    write(exchange, first);
  }
}

function write(exchange: Exchange, chunk: Buffer): void {
  if (exchange.response.write(chunk) || exchange.paused) return;
  exchange.paused = true;
  exchange.control?.pause();
  exchange.response.once('drain', () => {
    exchange.paused = false;
    exchange.control?.resume();
  });
}

function onData(this: Exchange, chunk: Buffer): void {
  if (this.done) return;
  if (!this.headSent) {
    if (this.first === undefined && chunk.length <= SMALL_BODY) {
      this.first = chunk;
      return;
    }
    sendHead(this);
  }
  write(this, chunk);
}

function onEnd(this: Exchange, trailers: string[] | undefined): void {
  if (this.done || this.claim === undefined) return;
  this.done = true;
  const { response, first } = this;
  if (this.trailing && !this.headSent) sendHead(this);
  if (this.headSent) {
    if (trailers !== undefined) addTrailers(response, trailers);
    response.end();
  } else {
    const { headers } = this;
    // The whole body is here, so its length is known even when the target sent it chunked.
    if (this.length < 0 && !this.bodyless) headers?.push('content-length', String(first?.length ?? 0));
    response.writeHead(this.status, this.message, headers);
    // As text, node:http joins it with the head into one write.
    if (first === undefined) response.end();
    else response.end(first.toString('latin1'), 'latin1');
  }
  this.parts.core.settle(this.claim, this.status, false);
}

function onFail(this: Exchange, error: Error, sent: boolean): void {
  if (this.done || this.claim === undefined) return;
  const { claim, parts } = this;
  if (this.socket.destroyed) {
    // The client left in the middle of its upload, and that is what broke the request.
    onClientGone(this);
    return;
  }
  if (this.headers !== undefined) {
    this.done = true;
    parts.core.settle(claim, 0, true);
    // Part of the answer may be out: only a broken connection tells the client that the rest is missing.
    this.response.destroy();
    return;
  }
  const code = 'code' in error ? error.code : undefined;
  if (!sent) {
    if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
      refuse(this, OWN_ANSWERS.ambiguous);
      return;
    }
    // Only what the target did may mark it: not a lack of descriptors here, nor an odd request.
    if (CANNOT_CONNECT.has(String(code))) parts.health.markDown(claim.target);
    if (this.attempts < ATTEMPTS && parts.core.move(claim)) dispatch(this);
    else refuse(this, OWN_ANSWERS.unreachable);
    return;
  }
  const late = code === 'UND_ERR_HEADERS_TIMEOUT';
  const repeatable = !late && !this.hasBody && IDEMPOTENT.has(this.request.method ?? '');
  if (repeatable && this.attempts < ATTEMPTS) {
    // With one target only, the same again: it may just have closed an idle connection.
    parts.core.move(claim);
    dispatch(this);
    return;
  }
  refuse(this, late ? OWN_ANSWERS.late : OWN_ANSWERS.broken);
}

function onClientGone(exchange: Exchange): void {
  if (exchange.done) return;
  exchange.done = true;
  if (exchange.claim !== undefined) exchange.parts.core.settle(exchange.claim, 0, false);
  exchange.control?.abort();
}

function bucketCookie(exchange: Exchange, bucket: number): string {
  const value = `${BUCKET_COOKIE}=${exchange.parts.tokens.bucketValue(bucket)}; Path=/; Max-Age=604800; HttpOnly`;
  // Embedded apps run in a frame of another site, where only SameSite=None cookies come back.
  return exchange.head.secure ? `${value}; Secure; SameSite=None` : `${value}; SameSite=Lax`;
}

function addTrailers(response: ServerResponse, raw: readonly string[]): void {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  response.addTrailers(pairs);
}
