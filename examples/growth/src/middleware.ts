import type { MiddlewareHandler } from 'hono';
import { log, message } from './log.ts';
import type { Metrics } from './metrics.ts';
import { VERSION } from './version.ts';

/** Says on every response which release made it, and counts it. */
export const stamped =
  (release: string, metrics: Metrics): MiddlewareHandler =>
  async (c, next) => {
    await next();
    c.res.headers.set('x-growth-release', release);
    c.res.headers.set('x-growth-version', VERSION);
    metrics.request(c.req.method, c.res.status);
  };

/** The API answers errors as JSON; the reason stays in the log. */
export function failed(error: Error, path: string): Response {
  log('request.failed', { path, error: message(error) });
  return Response.json({ error: 'internal error' }, { status: 500 });
}
