import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { FailureCause } from './model.ts';

/** A request that failed, with all that is known about it. */
export class Fault extends Error {
  readonly why: FailureCause;
  readonly status: number | undefined;
  readonly release: string | undefined;
  readonly reused: boolean;

  constructor(
    why: FailureCause,
    message: string,
    known: { status?: number | undefined; release?: string | undefined; reused?: boolean } = {},
  ) {
    super(message);
    this.why = why;
    this.status = known.status;
    this.release = known.release;
    this.reused = known.reused ?? false;
  }
}

/** Growth says in it which of its versions answered. */
const RELEASE_HEADER = 'x-growth-release';

export const releaseOf = (headers: http.IncomingHttpHeaders): string | undefined => {
  const value = headers[RELEASE_HEADER];
  return typeof value === 'string' ? value : undefined;
};

export interface Exchange {
  readonly method?: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent: http.Agent | false;
  /** One chunk is sent with its length, more are sent chunked. */
  readonly body?: readonly Buffer[];
  /** The whole of it must be done within this. */
  readonly withinMs: number;
  /** Called with each piece of the body; when it returns 'enough' we close the connection ourselves. */
  readonly onData?: (chunk: Buffer) => 'enough' | undefined;
  /** Called when the head of a good response is there. */
  readonly onHead?: (response: http.IncomingMessage) => void;
  /** Aborting it closes the connection from our side, which is not a failure. */
  readonly close?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly release: string | undefined;
  readonly reused: boolean;
  readonly body: Buffer;
  /** True when we ended it, false when the server did. */
  readonly closedByUs: boolean;
}

/** One request and its whole response. @throws Fault when it is not complete, in time, and 2xx or 3xx */
export async function exchange(ask: Exchange): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const chunks = ask.body ?? [];
    const request = http.request(ask.url, {
      method: ask.method ?? 'GET',
      agent: ask.agent,
      headers: {
        ...ask.headers,
        ...(ask.agent === false ? { connection: 'close' } : {}),
        ...(chunks.length === 1 ? { 'content-length': String(chunks[0]?.length ?? 0) } : {}),
      },
    });
    let status: number | undefined;
    let release: string | undefined;
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      ask.close?.removeEventListener('abort', onClose);
      act();
    };
    const fail = (cause: FailureCause, message: string): void =>
      settle(() => {
        request.destroy();
        reject(new Fault(cause, message, { status, release, reused: request.reusedSocket }));
      });
    const finish = (body: readonly Buffer[], closedByUs: boolean): void =>
      settle(() => {
        if (closedByUs) request.destroy();
        resolve({ status: status ?? 0, release, reused: request.reusedSocket, body: Buffer.concat(body), closedByUs });
      });
    const onClose = (): void => {
      // Before the head there is nothing that we could call good.
      if (status !== undefined) finish([], true);
    };
    const timer = setTimeout(() => fail('timeout', `not complete within ${ask.withinMs} ms`), ask.withinMs);

    request.on('error', (error) => fail('reset', describe(error)));
    request.on('response', (response) => {
      status = response.statusCode ?? 0;
      release = releaseOf(response.headers);
      const good = status >= 200 && status < 400;
      const body: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        if (good && ask.onData !== undefined) {
          if (ask.onData(chunk) === 'enough') finish(body, true);
        } else body.push(chunk);
      });
      response.on('error', (error) => fail('reset', describe(error)));
      response.on('aborted', () => fail('reset', 'the response was cut before its end'));
      response.on('close', () => {
        if (!response.complete) fail('reset', 'the response was cut before its end');
      });
      response.on('end', () => {
        if (!response.complete) fail('reset', 'the response was cut before its end');
        else if (good) finish(body, false);
        else fail('status', `${status}: ${Buffer.concat(body).toString('utf8').slice(0, 200)}`);
      });
      if (good) ask.onHead?.(response);
      if (ask.close?.aborted) onClose();
    });
    ask.close?.addEventListener('abort', onClose, { once: true });
    for (const chunk of chunks.slice(0, -1)) request.write(chunk);
    request.end(chunks.at(-1));
  });
}

function describe(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message;
}

/** The JSON of a body. @throws Fault `content` */
export function parse(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'));
  } catch {
    throw wrong(answer, `not JSON: ${answer.body.toString('utf8').slice(0, 100)}`);
  }
}

export const wrong = (answer: Answer, message: string): Fault => new Fault('content', message, answer);

/** Whether a value is what was sent, alone or as the member of a wrapper. */
export function returned(value: unknown, member: string, sent: unknown): boolean {
  if (isDeepStrictEqual(value, sent)) return true;
  return typeof value === 'object' && value !== null && isDeepStrictEqual(Reflect.get(value, member), sent);
}
