import http, { type IncomingMessage } from 'node:http';
import { asTowpathError, TowpathError } from '../../kernel/index.ts';
import type { RouterState, RouteTable } from '../contract.ts';
import { parseTable } from './table.ts';

export interface AdminParts {
  readonly state: () => RouterState;
  /** Puts the table in force; resolves when it is, and on the disk. */
  readonly apply: (table: RouteTable, epoch: number) => Promise<void>;
}

const LIMIT = 4 * 1024 * 1024;

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > LIMIT) throw badCall('the body is larger than 4 MiB');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw badCall('the body is not JSON');
  }
}

const badCall = (message: string): TowpathError =>
  new TowpathError('router.bad_table', message, {
    remedy: 'fix-input',
    hint: 'PUT /table with {"epoch": n, "table": {...}}, or GET /state',
  });

/** The admin door; listens on a Unix socket only, whose folder only the owner may enter. */
export function createAdminServer(parts: AdminParts): http.Server {
  const serve = async (request: IncomingMessage): Promise<RouterState> => {
    if (request.method === 'GET' && request.url === '/state') return parts.state();
    if (request.method !== 'PUT' || request.url !== '/table') throw badCall(`no such call: ${request.url ?? ''}`);
    const body = await readBody(request);
    if (typeof body !== 'object' || body === null || !('epoch' in body) || !('table' in body)) {
      throw badCall('epoch and table are needed');
    }
    const { epoch, table } = body;
    if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) throw badCall('epoch is no number');
    await parts.apply(parseTable(table), epoch);
    return parts.state();
  };
  return http.createServer((request, response) => {
    const send = (status: number, value: unknown): void => {
      const text = JSON.stringify(value);
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      response.end(text);
    };
    serve(request).then(
      (state) => send(200, state),
      (error: unknown) => {
        const known = asTowpathError(error);
        send(known.code === 'lease.fenced' ? 409 : known.remedy === 'fix-input' ? 400 : 500, { error: known.toJSON() });
      },
    );
  });
}
