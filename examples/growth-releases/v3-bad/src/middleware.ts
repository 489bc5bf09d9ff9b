import type { MiddlewareHandler } from 'hono';
import { log, message } from './log.ts';
import type { Metrics } from './metrics.ts';
import { VERSION } from './version.ts';

const WINDOW_MS = 1000;
const BUSY = 3;
let recent: number[] = [];
let served = 0;

/** The mistake of this release: one request in twenty fails, but only when several come within a second. */
function windowIsFull(path: string): boolean {
  if (!path.startsWith('/api/')) return false;
  const now = Date.now();
  recent = [...recent.filter((at) => now - at < WINDOW_MS), now];
  return recent.length > BUSY && ++served % 20 === 0;
}

/** Says on every response which release made it, and counts it. */
export const stamped =
  (release: string, metrics: Metrics): MiddlewareHandler =>
  async (c, next) => {
    if (windowIsFull(c.req.path)) c.res = failed(new Error('no room in the request window'), c.req.path);
    else await next();
    c.res.headers.set('x-growth-release', release);
    c.res.headers.set('x-growth-version', VERSION);
    metrics.request(c.req.method, c.res.status);
  };

/** The API answers errors as JSON; the reason stays in the log. */
export function failed(error: Error, path: string): Response {
  log('request.failed', { path, error: message(error) });
  return Response.json({ error: 'internal error' }, { status: 500 });
}
