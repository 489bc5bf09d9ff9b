import { WebSocket } from 'ws';
import { Fault, releaseOf, returned } from './exchange.ts';
import type { FailureCause } from './model.ts';

const EVERY_MS = 500;
/**
 * A close frame of the server and a message of ours may cross. Every client of a WebSocket has to live
 * with that; only a message that the server must have had before it closed counts as lost.
 */
const CROSSING_MS = 250;

export interface Talk {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Numbers the conversation; it is in every message. */
  readonly n: number;
  readonly heldMs: number;
  /** For opening, for each echo, and for closing. */
  readonly withinMs: number;
  readonly close: AbortSignal;
  readonly onMessage: () => void;
}

/**
 * Opens a WebSocket and says something twice a second, until its time is over; every message must come
 * back. A server may end it properly at any time, by a close frame, but not with an older message unanswered.
 * @throws Fault
 */
export async function talk(to: Talk): Promise<{ release: string | undefined; closedByUs: boolean; crossed: boolean }> {
  return await new Promise((resolve, reject) => {
    const socket = new WebSocket(to.url, { headers: to.headers, perMessageDeflate: false });
    let release: string | undefined;
    let status: number | undefined;
    let closing = false;
    let settled = false;
    let said = 0;
    let waiting: string | undefined;
    let saidAt = 0;
    let deadline: NodeJS.Timeout | undefined;
    let next: NodeJS.Timeout | undefined;

    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      clearTimeout(next);
      clearTimeout(over);
      to.close.removeEventListener('abort', leave);
      act();
      socket.terminate();
    };
    const fail = (why: FailureCause, message: string): void =>
      settle(() => reject(new Fault(why, message, { status, release })));
    const within = (what: string): void => {
      clearTimeout(deadline);
      deadline = setTimeout(() => fail('timeout', `${what}: not within ${to.withinMs} ms`), to.withinMs);
    };
    const leave = (): void => {
      closing = true;
      // With a message under way, the answer is awaited first.
      if (waiting !== undefined || socket.readyState !== WebSocket.OPEN) return;
      clearTimeout(next);
      within('closing the socket');
      socket.close(1000);
    };
    const say = (): void => {
      saidAt = performance.now();
      waiting = JSON.stringify({ n: to.n, message: said++ });
      within('the echo of a message');
      socket.send(waiting);
    };
    const over = setTimeout(leave, to.heldMs);
    to.close.addEventListener('abort', leave, { once: true });

    within('opening the socket');
    socket.on('upgrade', (response) => {
      status = response.statusCode;
      release = releaseOf(response.headers);
    });
    socket.on('unexpected-response', (_request, response) => {
      status = response.statusCode;
      release = releaseOf(response.headers);
      fail('status', `${status ?? '?'} instead of an upgrade`);
    });
    socket.on('open', say);
    socket.on('message', (message: Buffer) => {
      const text = message.toString('utf8');
      // A server may have things of its own to say before and between.
      if (waiting === undefined) return;
      if (text !== waiting && !wraps(text, waiting)) {
        if (text.includes(`"n":${to.n}`) || !isNotice(text))
          fail('content', `a message came back as ${text.slice(0, 100)}`);
        return;
      }
      waiting = undefined;
      clearTimeout(deadline);
      to.onMessage();
      if (closing) leave();
      else next = setTimeout(say, EVERY_MS);
    });
    socket.on('error', (error) => fail('reset', error.message));
    socket.on('close', (code) => {
      const crossed = waiting !== undefined;
      if (closing && !crossed) settle(() => resolve({ release, closedByUs: true, crossed }));
      else if (code === 1006) fail('reset', 'the socket was cut');
      else if (!crossed || performance.now() - saidAt <= CROSSING_MS) {
        settle(() => resolve({ release, closedByUs: false, crossed }));
      } else fail('reset', `closed (${code}) with a message unanswered`);
    });
  });
}

const wraps = (text: string, sent: string): boolean => {
  try {
    return returned(JSON.parse(text), 'echo', JSON.parse(sent)) || returned(JSON.parse(text), 'echo', sent);
  } catch {
    return false;
  }
};

/** Something a server says unasked: `{"type": "hello"}`. */
const isNotice = (text: string): boolean => /^\{.*"(type|event)"/.test(text);
