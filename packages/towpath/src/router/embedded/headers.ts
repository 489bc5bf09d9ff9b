import { RELEASE_HEADER } from './tokens.ts';

/**
 * What the router reads from a request's headers and what it passes on. Names and values are as
 * llhttp delivered them: `[name, value, name, value, ...]`.
 */
export interface RequestHead {
  /** Without hop-by-hop headers, those we set ourselves, and those that are the router's alone. */
  readonly forward: string[];
  host: string | undefined;
  cookie: string | undefined;
  override: string | undefined;
  requestId: string | undefined;
  forwardedFor: string | undefined;
  forwardedProto: string | undefined;
  forwardedHost: string | undefined;
  contentLength: string | undefined;
  chunked: boolean;
  upgrade: string | undefined;
  /** The browser speaks TLS to whoever stands before us; set by `forwardHeaders`. */
  secure: boolean;
  /** Why the request is refused: it could be read in two ways (request smuggling). */
  refuse: string | undefined;
}

const PASS = 0;
const DROP = 1;
const HOST = 2;
const COOKIE = 3;
const OVERRIDE = 4;
const REQUEST_ID = 5;
const FORWARDED_FOR = 6;
const FORWARDED_PROTO = 7;
const FORWARDED_HOST = 8;
const CONTENT_LENGTH = 9;
const TRANSFER_ENCODING = 10;
const CONNECTION = 11;
const UPGRADE = 12;
const TE = 13;

const KINDS: Readonly<Record<string, number>> = {
  host: HOST,
  cookie: COOKIE,
  [RELEASE_HEADER]: OVERRIDE,
  'x-request-id': REQUEST_ID,
  'x-forwarded-for': FORWARDED_FOR,
  'x-forwarded-proto': FORWARDED_PROTO,
  'x-forwarded-host': FORWARDED_HOST,
  'content-length': CONTENT_LENGTH,
  'transfer-encoding': TRANSFER_ENCODING,
  connection: CONNECTION,
  upgrade: UPGRADE,
  te: TE,
  'keep-alive': DROP,
  'proxy-connection': DROP,
  'proxy-authorization': DROP,
  'proxy-authenticate': DROP,
  // Node has answered `100 Continue` itself; the target gets the body at once.
  expect: DROP,
  'http2-settings': DROP,
};

// Spellings seen, so that a usual name costs one look-up. Bounded, because names come from outside.
const seen = new Map<string, number>();
function kindOf(name: string): number {
  let kind = seen.get(name);
  if (kind === undefined) {
    kind = KINDS[name.toLowerCase()] ?? PASS;
    if (seen.size < 1000) seen.set(name, kind);
  }
  return kind;
}

/** Names that a Connection header lists beyond the usual ones; they are hop-by-hop too. */
function namedByConnection(value: string): string[] | undefined {
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive' || value === 'Upgrade') return undefined;
  const names = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'keep-alive' && name !== 'close' && name !== 'upgrade');
  return names.length > 0 ? names : undefined;
}

export function without(headers: string[], names: readonly string[]): void {
  let kept = 0;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (names.includes(name.toLowerCase())) continue;
    headers[kept] = name;
    headers[kept + 1] = headers[i + 1] ?? '';
    kept += 2;
  }
  headers.length = kept;
}

export function readRequestHead(raw: readonly string[]): RequestHead {
  const head: RequestHead = {
    forward: [],
    host: undefined,
    cookie: undefined,
    override: undefined,
    requestId: undefined,
    forwardedFor: undefined,
    forwardedProto: undefined,
    forwardedHost: undefined,
    contentLength: undefined,
    chunked: false,
    upgrade: undefined,
    secure: false,
    refuse: undefined,
  };
  const { forward } = head;
  let named: string[] | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    switch (kindOf(name)) {
      case PASS:
        forward.push(name, value);
        break;
      case DROP:
        break;
      case HOST:
        if (head.host !== undefined) head.refuse = 'two Host headers';
        head.host = value;
        break;
      case COOKIE:
        head.cookie = head.cookie === undefined ? value : `${head.cookie}; ${value}`;
        forward.push(name, value);
        break;
      case OVERRIDE:
        head.override = value;
        break;
      case REQUEST_ID:
        head.requestId = value;
        break;
      case FORWARDED_FOR:
        head.forwardedFor = head.forwardedFor === undefined ? value : `${head.forwardedFor}, ${value}`;
        break;
      case FORWARDED_PROTO:
        head.forwardedProto = value;
        break;
      case FORWARDED_HOST:
        head.forwardedHost = value;
        break;
      case CONTENT_LENGTH:
        if (head.contentLength !== undefined || !/^\d{1,15}$/.test(value)) head.refuse = 'an ambiguous Content-Length';
        head.contentLength = value;
        break;
      case TRANSFER_ENCODING:
        if (head.chunked || value.toLowerCase() !== 'chunked') head.refuse = 'a Transfer-Encoding other than chunked';
        head.chunked = true;
        break;
      case CONNECTION: {
        const more = namedByConnection(value);
        if (more !== undefined) named = named === undefined ? more : [...named, ...more];
        break;
      }
      case UPGRADE:
        head.upgrade = value;
        break;
      case TE:
        if (value.toLowerCase() === 'trailers') forward.push(name, value);
        break;
    }
  }
  if (head.chunked && head.contentLength !== undefined) head.refuse = 'both Content-Length and Transfer-Encoding';
  if (named !== undefined) without(forward, named);
  return head;
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const seenInAnswers = new Map<string, boolean>();

function isHopByHop(name: string): boolean {
  let hop = seenInAnswers.get(name);
  if (hop === undefined) {
    hop = HOP_BY_HOP.has(name.toLowerCase());
    if (seenInAnswers.size < 1000) seenInAnswers.set(name, hop);
  }
  return hop;
}

/** An answer's headers without those that only concern the connection it came by. */
export function readAnswerHeaders(raw: readonly string[]): string[] {
  const kept: string[] = [];
  let named: string[] | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    if (!isHopByHop(name)) kept.push(name, value);
    else if (name.length === 10 && name.toLowerCase() === 'connection') named = namedByConnection(value) ?? named;
  }
  if (named !== undefined) without(kept, named);
  return kept;
}

/** An answer's headers by their lower-case names, as undici parses them; several of one name are a list. */
export type AnswerFields = Readonly<Record<string, string | string[] | undefined>>;

/** The same for headers that are parsed already: no decoding twice on the hot path. */
export function flattenAnswerFields(fields: AnswerFields): string[] {
  const kept: string[] = [];
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value === undefined || HOP_BY_HOP.has(name)) continue;
    if (typeof value === 'string') kept.push(name, value);
    else for (const one of value) kept.push(name, one);
  }
  const { connection } = fields;
  if (connection !== undefined && connection !== 'keep-alive') {
    const named = namedByConnection(typeof connection === 'string' ? connection : connection.join(','));
    if (named !== undefined) without(kept, named);
  }
  return kept;
}

/** Ids from clients end up in logs: only short, plain ones are kept. */
export const isSaneRequestId = (id: string): boolean => id.length <= 128 && /^[\w.:/+=-]+$/.test(id);

/**
 * The path to ask a target for: an absolute URL loses its origin, as RFC 9112 3.2.2 has it.
 * Empty when it is none.
 */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  const match = /^https?:\/\/[^/?#]+(.*)$/i.exec(url);
  if (match === null) return '';
  const rest = match[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Completes `head.forward` with what the router says about the request. */
export function forwardHeaders(head: RequestHead, remote: string, trustProxy: boolean, requestId: string): void {
  const { forward, host } = head;
  const proto = trustProxy && head.forwardedProto === 'https' ? 'https' : 'http';
  head.secure = proto === 'https';
  if (host !== undefined) forward.push('host', host);
  if (head.contentLength !== undefined) forward.push('content-length', head.contentLength);
  forward.push(
    'x-forwarded-for',
    trustProxy && head.forwardedFor !== undefined ? `${head.forwardedFor}, ${remote}` : remote,
    'x-forwarded-proto',
    proto,
    'x-request-id',
    requestId,
  );
  const seenHost = (trustProxy ? head.forwardedHost : undefined) ?? host;
  if (seenHost !== undefined) forward.push('x-forwarded-host', seenHost);
}
