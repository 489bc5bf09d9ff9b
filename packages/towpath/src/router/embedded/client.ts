import http from 'node:http';
import { TowpathError, type ErrorBody } from '../../kernel/index.ts';
import type { Router, RouterState } from '../contract.ts';
import { readProcessState } from './place.ts';
import { readSnapshot } from './snapshot.ts';
import { signRelease } from './tokens.ts';

/** ms until a call to the admin socket is given up */
const CALL_MS = 5000;

const isState = (value: unknown): value is RouterState =>
  typeof value === 'object' && value !== null && 'boot' in value && 'table' in value && 'inFlight' in value;

const errorIn = (value: unknown): ErrorBody | undefined => {
  if (typeof value !== 'object' || value === null || !('error' in value)) return undefined;
  const { error } = value;
  const named = typeof error === 'object' && error !== null && 'code' in error && 'message' in error;
  // oxlint-disable-next-line no-unsafe-type-assertion -- written by our own admin server as an ErrorBody
  return named ? (error as ErrorBody) : undefined;
};

/** One call to a router's admin socket. @throws TowpathError as the `Router` contract says */
export async function callAdmin(
  socketPath: string,
  method: 'GET' | 'PUT',
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<RouterState> {
  const unreachable = (cause: unknown): TowpathError =>
    new TowpathError('router.unreachable', 'the router does not answer on its admin socket', {
      remedy: 'retry',
      hint: 'run `towpath up` to start it again; it keeps its weights',
      cause,
    });
  signal.throwIfAborted();
  const text = await new Promise<string>((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const request = http.request(
      { socketPath, method, path, agent: false, signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]) },
      (response) => {
        const chunks: string[] = [];
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => chunks.push(chunk));
        response.on('end', () => resolve(chunks.join('')));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    if (payload !== undefined) {
      request.setHeader('content-type', 'application/json');
      request.setHeader('content-length', Buffer.byteLength(payload));
    }
    request.end(payload);
  }).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw unreachable(cause);
  });
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw unreachable(cause);
  }
  const error = errorIn(answer);
  if (error !== undefined) {
    const { code, message, remedy, hint, details } = error;
    throw new TowpathError(code, message, { remedy, hint, ...(details === undefined ? {} : { details }) });
  }
  if (!isState(answer)) throw unreachable(new Error('not a router state'));
  return answer;
}

/** The router of `dir`, by its admin socket. It need not run yet; calls fail with `router.unreachable` then. */
export function createEmbeddedRouter(options: { readonly dir: string }): Router {
  const socket = async (): Promise<string> => {
    const state = await readProcessState(options.dir);
    if (state !== undefined) return state.socket;
    throw new TowpathError('router.unreachable', 'no router was started here', {
      remedy: 'retry',
      hint: 'run `towpath up`',
    });
  };
  return {
    name: 'embedded',
    cannot: [],
    apply: async (table, fence, signal) =>
      callAdmin(await socket(), 'PUT', '/table', { table, epoch: fence.epoch }, signal),
    observe: async (signal) => callAdmin(await socket(), 'GET', '/state', undefined, signal),
  };
}

/**
 * The request header by which a tester reaches `release`, whatever its weight is. Who holds it can
 * reach that release for as long as it runs: treat it as a secret.
 * @throws TowpathError `router.unreachable` when no router was ever started in `dir`
 */
export async function releaseOverride(dir: string, release: number): Promise<{ readonly 'x-towpath-release': string }> {
  const snapshot = await readSnapshot(dir);
  if (snapshot === undefined) {
    throw new TowpathError('router.unreachable', 'no router was started here', {
      remedy: 'retry',
      hint: 'run `towpath up`',
    });
  }
  return { 'x-towpath-release': signRelease(snapshot.key, release) };
}
