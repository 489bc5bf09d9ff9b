import http from 'node:http';
import path from 'node:path';

export interface UnixRequest {
  readonly socket: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  /** Milliseconds without a byte from the other side; 0 for no limit. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface UnixAnswer {
  readonly status: number;
  readonly chunks: AsyncIterable<string>;
}

// The kernel takes socket paths up to 107 bytes; from a deep folder the relative one may still fit.
function reachable(socket: string): string {
  if (Buffer.byteLength(socket) <= 107) return socket;
  const relative = path.relative(process.cwd(), socket);
  return relative.length < socket.length ? relative : socket;
}

/**
 * One HTTP request over a Unix socket; resolves with the head of the answer, its body follows in
 * `chunks`. Rejects with the Node error (`ENOENT`, `ECONNREFUSED`, `ECONNRESET`, ...), `ETIMEDOUT`
 * after the silence of `timeoutMs`.
 */
export async function unixRequest(request: UnixRequest): Promise<UnixAnswer> {
  return await new Promise((resolve, reject) => {
    const sent = http.request(
      {
        socketPath: reachable(request.socket),
        method: request.method,
        path: request.path,
        headers: {
          host: 'towpath',
          ...(request.body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(request.body) }),
        },
        agent: false,
        timeout: request.timeoutMs,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      },
      (answer) => {
        answer.setEncoding('utf8');
        resolve({ status: answer.statusCode ?? 0, chunks: answer });
      },
    );
    sent.on('timeout', () => {
      const late: NodeJS.ErrnoException = new Error(`no answer within ${request.timeoutMs} ms`);
      late.code = 'ETIMEDOUT';
      sent.destroy(late);
    });
    sent.on('error', reject);
    sent.end(request.body);
  });
}
