import type { LedgerEntry } from '@towpath/wire';
import { TowpathError, type ErrorBody } from '../kernel/index.ts';
import { hasCode, unixRequest } from '../system/index.ts';
import { readEvents, type StreamEvent } from './sse.ts';

/** An error that the control plane answered with; keeps its id, which is also in the control plane's log. */
export class ApiError extends TowpathError {
  readonly status: number;
  override readonly id: string;

  constructor(status: number, body: ErrorBody) {
    super(body.code, body.message, {
      remedy: body.remedy,
      hint: body.hint,
      ...(body.details === undefined ? {} : { details: body.details }),
    });
    this.status = status;
    this.id = body.id;
  }
}

/** The control plane's HTTP API. T is the shape in @towpath/wire that the path answers with. */
export interface Client {
  readonly socket: string;
  get<T>(path: string, signal?: AbortSignal): Promise<T>;
  post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T>;
  /**
   * Rejects with `control.unreachable` when the stream cannot be opened; ends or throws when it breaks.
   * @param silenceMs without a byte for so long it counts as broken; by default never
   */
  stream(path: string, signal: AbortSignal, silenceMs?: number): AsyncIterable<StreamEvent>;
}

const ANSWER_MS = 30_000;
/** These answer after a build, after another rollout's end, or after reading the whole ledger. */
const SLOW = /^\/v1\/(plans|rollouts|evidence\/verify)$/;

const LOST = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTSOCK', 'ETIMEDOUT', 'EACCES'] as const;

/** Whether an error means that no control plane is there to answer. */
export function isLost(error: unknown): boolean {
  return hasCode(error, ...LOST) || (error instanceof TowpathError && error.code === 'control.unreachable');
}

export function unreachable(socket: string, cause: unknown): TowpathError {
  const slow = hasCode(cause, 'ETIMEDOUT');
  const denied = hasCode(cause, 'EACCES');
  const broken = hasCode(cause, 'ECONNRESET', 'EPIPE');
  let message = 'no control plane runs for this app';
  let hint = 'start it with `towpath up`';
  if (slow)
    [message, hint] = [
      'the control plane does not answer',
      'see .towpath/logs/control.log; `towpath down` and `towpath up` restart it',
    ];
  else if (broken) [message, hint] = ['the control plane broke off', 'see where things stand with `towpath status`'];
  else if (denied) [message, hint] = ['you may not talk to the control plane', 'run as the user who ran `towpath up`'];
  return new TowpathError('control.unreachable', message, { remedy: 'retry', hint, cause, details: { socket } });
}

const asErrorBody = (status: number, text: string): ErrorBody => {
  try {
    const { error }: { error?: ErrorBody } = JSON.parse(text);
    if (error !== undefined && typeof error.code === 'string' && typeof error.message === 'string') return error;
  } catch {
    // Not ours; told below.
  }
  return {
    code: 'control.bad_answer',
    message: `the control plane answered ${status} and no error of ours`,
    hint: 'its version may differ from this CLI: restart it with `towpath down` and `towpath up`',
    remedy: 'halt',
    id: '',
  };
};

export function createClient(socket: string): Client {
  const open = async (method: 'GET' | 'POST', path: string, body: unknown, timeoutMs: number, signal?: AbortSignal) => {
    try {
      return await unixRequest({
        socket,
        method,
        path,
        timeoutMs,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw isLost(error) ? unreachable(socket, error) : error;
    }
  };
  const ask = async <T>(method: 'GET' | 'POST', path: string, body: unknown, signal?: AbortSignal): Promise<T> => {
    const answer = await open(method, path, body, SLOW.test(path) ? 0 : ANSWER_MS, signal);
    let text = '';
    try {
      for await (const chunk of answer.chunks) text += chunk;
    } catch (error) {
      throw isLost(error) ? unreachable(socket, error) : error;
    }
    if (answer.status >= 400) throw new ApiError(answer.status, asErrorBody(answer.status, text));
    try {
      return JSON.parse(text);
    } catch {
      throw new ApiError(answer.status, asErrorBody(answer.status, ''));
    }
  };
  return {
    socket,
    get: (path, signal) => ask('GET', path, undefined, signal),
    post: (path, body, signal) => ask('POST', path, body, signal),
    async *stream(path, signal, silenceMs = 0) {
      const answer = await open('GET', path, undefined, silenceMs, signal);
      if (answer.status >= 400) {
        let text = '';
        for await (const chunk of answer.chunks) text += chunk;
        throw new ApiError(answer.status, asErrorBody(answer.status, text));
      }
      yield* readEvents(answer.chunks);
    },
  };
}

const PAGE = 1000;

/** The rows of the ledger, page by page. */
export async function* readLedger(
  client: Client,
  query: {
    readonly rollout?: number | undefined;
    readonly environment?: string | undefined;
    readonly after?: number | undefined;
  },
): AsyncGenerator<LedgerEntry> {
  let after = query.after ?? 0;
  for (;;) {
    const path = withQuery('/v1/evidence', { ...query, after, limit: PAGE });
    const { entries } = await client.get<{ readonly entries: readonly LedgerEntry[] }>(path);
    yield* entries;
    after = entries.at(-1)?.seq ?? after;
    if (entries.length < PAGE) return;
  }
}

/** A path with a query; members that are undefined are left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return parts.length === 0 ? path : `${path}?${parts.join('&')}`;
}
