import type { ServerResponse } from 'node:http';

/** What the router itself answers, in the form of every Towpath error. */
export interface OwnAnswer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryAfter?: number;
}

export const OWN_ANSWERS = {
  ambiguous: {
    status: 400,
    code: 'router.bad_request',
    message: 'the request could be read in two ways',
    hint: 'send one Host, and either one Content-Length or Transfer-Encoding: chunked',
  },
  'no-release': {
    status: 503,
    code: 'router.no_release',
    message: 'nothing is deployed here yet',
    hint: 'run `towpath deploy`',
    retryAfter: 5,
  },
  'release-absent': {
    status: 503,
    code: 'router.release_absent',
    message: 'the release asked for has no instance here',
    hint: 'leave out x-towpath-release, or ask for a release that `towpath status` lists',
  },
  'no-target': {
    status: 503,
    code: 'router.no_target',
    message: 'no instance can take the request',
    hint: 'see `towpath status` and `towpath logs`',
    retryAfter: 1,
  },
  'hold-full': {
    status: 503,
    code: 'router.hold_full',
    message: 'too many requests wait for a switch to end',
    hint: 'try again in a moment',
    retryAfter: 2,
  },
  'hold-late': {
    status: 503,
    code: 'router.hold_late',
    message: 'the switch took longer than requests are held',
    hint: 'try again in a moment',
    retryAfter: 2,
  },
  unreachable: {
    status: 502,
    code: 'router.target_unreachable',
    message: 'the instance does not accept connections',
    hint: 'see `towpath status` and `towpath logs`',
    retryAfter: 1,
  },
  broken: {
    status: 502,
    code: 'router.target_broke_off',
    message: 'the instance broke off before it answered',
    hint: 'see `towpath logs`; the request may have taken effect',
  },
  late: {
    status: 504,
    code: 'router.target_late',
    message: 'the instance did not answer in time',
    hint: 'see `towpath logs`; the request may have taken effect',
  },
} as const satisfies Record<string, OwnAnswer>;

export const bodyOf = (answer: OwnAnswer, requestId: string): string =>
  JSON.stringify({
    error: { code: answer.code, message: `${answer.message} (request ${requestId})`, hint: answer.hint },
  });

/** @param close whether the connection must end, since the rest of the request is not read */
export function answerOurselves(response: ServerResponse, answer: OwnAnswer, requestId: string, close: boolean): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = bodyOf(answer, requestId);
  const headers = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))];
  headers.push('cache-control', 'no-store', 'x-request-id', requestId);
  if (answer.retryAfter !== undefined) headers.push('retry-after', String(answer.retryAfter));
  if (close) headers.push('connection', 'close');
  response.writeHead(answer.status, headers);
  response.end(body);
}
