import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { asTowpathError, TowpathError } from '../kernel/index.ts';
import type { Log } from '../system/index.ts';

const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  'api.unknown_environment': 404,
  'api.unknown_rollout': 404,
  'api.unknown_path': 404,
  'release.unknown': 404,
  'rollout.locked': 409,
  'rollout.none': 409,
  'rollout.under_way': 409,
  'rollout.already_serving': 409,
  'rollback.nothing_before': 409,
  'plan.changed': 409,
  'deploys.paused': 409,
  'workflow.committed': 409,
  'lease.fenced': 409,
  'lease.lost': 503,
};

/** Every error as {error: ErrorBody}; what we did not foresee also goes to the log, under the same id. */
export function answerError(log: Log, thrown: unknown, context: Context): Response {
  const error = asTowpathError(thrown);
  const status = STATUS[error.code] ?? (error.remedy === 'fix-input' ? 400 : error.remedy === 'retry' ? 503 : 500);
  if (status >= 500) log.error('api.failed', error, { path: context.req.path });
  return context.json({ error: error.toJSON() }, status);
}

export const badRequest = (problems: readonly string[]): TowpathError =>
  new TowpathError('api.bad_request', `the request is not as it should be: ${problems.join('; ')}`, {
    remedy: 'fix-input',
    hint: 'see docs/reference for the shapes; the client may be of another version',
    details: { problems },
  });
