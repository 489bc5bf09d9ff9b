import { createHash } from 'node:crypto';
import http from 'node:http';
import { exchange, parse, returned, wrong, type Answer } from './exchange.ts';
import type { Kind, TrafficOptions } from './model.ts';
import { talk } from './socket.ts';
import type { Tally } from './tally.ts';

/** What the kinds share: connections, limits, and where to count. */
export interface Client {
  readonly options: Required<Pick<TrafficOptions, 'url' | 'headers' | 'timeoutMs' | 'slowMs' | 'heldMs'>>;
  readonly kept: http.Agent;
  readonly tally: Tally;
  /** Aborted by stop: streams and sockets are then closed properly, from our side. */
  readonly stopping: AbortSignal;
}

export interface Done {
  readonly release: string | undefined;
}

/** Sends one of a kind. `n` numbers the requests. @throws Fault */
export async function send(kind: Kind, client: Client, n: number): Promise<Done> {
  switch (kind) {
    case 'get':
      return await get(client, client.kept);
    case 'fresh':
      return await get(client, false);
    case 'echo':
      return await echo(client, n);
    case 'upload':
      return await upload(client, n);
    case 'slow':
      return await slow(client);
    case 'events':
      return await events(client, n);
    case 'socket':
      return await socket(client, n);
  }
}

const at = (client: Client, path: string): URL => new URL(path, client.options.url);

async function get(client: Client, agent: http.Agent | false): Promise<Answer> {
  const { headers, timeoutMs } = client.options;
  const answer = await exchange({ url: at(client, '/api/actions'), agent, headers, withinMs: timeoutMs });
  parse(answer);
  return answer;
}

async function echo(client: Client, n: number): Promise<Answer> {
  const { headers, timeoutMs } = client.options;
  // From a few bytes to some 16 kB, so that bodies cross packet and buffer borders.
  // A negative zero would come back as another value: JSON has none.
  const sent = { n, text: 'é'.repeat((n * 37) % 8192), nested: [{ even: n % 2 === 0 }, null, -(n + 1) / 3] };
  const answer = await exchange({
    method: 'POST',
    url: at(client, '/api/echo'),
    agent: client.kept,
    headers: { ...headers, 'content-type': 'application/json' },
    body: [Buffer.from(JSON.stringify(sent))],
    withinMs: timeoutMs,
  });
  if (!returned(parse(answer), 'echo', sent)) throw wrong(answer, 'the echo is not what was sent');
  return answer;
}

/** 64 kB that cannot be confused with each other; cut differently for each upload. */
const BYTES = Buffer.concat(Array.from({ length: 2048 }, (_, i) => createHash('sha256').update(String(i)).digest()));

async function upload(client: Client, n: number): Promise<Answer> {
  const { headers, timeoutMs } = client.options;
  const size = 1 + ((n * 7919) % BYTES.length);
  const step = Math.max(1, Math.ceil(size / (2 + (n % 7))));
  const chunks: Buffer[] = [];
  for (let start = 0; start < size; start += step) chunks.push(BYTES.subarray(start, Math.min(size, start + step)));
  // One more, empty: a body of a single chunk would be sent with its length.
  if (chunks.length === 1) chunks.push(Buffer.alloc(0));
  const answer = await exchange({
    method: 'POST',
    url: at(client, '/api/upload'),
    agent: client.kept,
    headers: { ...headers, 'content-type': 'application/octet-stream' },
    body: chunks,
    withinMs: timeoutMs,
  });
  if (!returned(parse(answer), 'bytes', size))
    throw wrong(answer, `${size} bytes were sent; the server counted others`);
  return answer;
}

async function slow(client: Client): Promise<Answer> {
  const { headers, timeoutMs, slowMs } = client.options;
  const url = at(client, `/api/slow?ms=${slowMs}`);
  return await exchange({ url, agent: client.kept, headers, withinMs: slowMs + timeoutMs });
}

/** How long the n-th stream or socket is held. */
function heldMs(client: Client, n: number): number {
  const [least, most] = client.options.heldMs;
  return least + ((n * 613) % Math.max(1, most - least + 1));
}

async function events(client: Client, n: number): Promise<Answer> {
  const { headers, timeoutMs } = client.options;
  const held = heldMs(client, n);
  const close = AbortSignal.any([client.stopping, AbortSignal.timeout(held)]);
  let type: string | undefined;
  let rest = '';
  const answer = await exchange({
    url: at(client, '/api/events'),
    agent: false,
    headers: { ...headers, accept: 'text/event-stream' },
    withinMs: held + timeoutMs,
    close,
    onHead: (response) => (type = response.headers['content-type']),
    onData(chunk) {
      const parts = (rest + chunk.toString('utf8')).split(/\r?\n\r?\n/);
      rest = parts.pop() ?? '';
      for (const part of parts) if (/^(data|event|id):/m.test(part)) client.tally.event();
      return undefined;
    },
  });
  if (type?.startsWith('text/event-stream') !== true)
    throw wrong(answer, `this is no event stream: ${type ?? 'no type'}`);
  if (!answer.closedByUs) client.tally.endedByServer();
  return answer;
}

async function socket(client: Client, n: number): Promise<Done> {
  const { headers, timeoutMs } = client.options;
  const url = at(client, '/ws');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const ended = await talk({
    url,
    headers,
    n,
    heldMs: heldMs(client, n),
    withinMs: timeoutMs,
    close: client.stopping,
    onMessage: () => client.tally.message(),
  });
  if (!ended.closedByUs) client.tally.endedByServer();
  if (ended.crossed) client.tally.crossed();
  return ended;
}
