import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBucket, isPlan, PLANS, type Plan } from './bucket.ts';
import { openEffects, type EffectCounts } from './effects.ts';
import { between, listen, overlay, parseJson, runFromCommandLine, sendJson, type Listening } from './serve.ts';
import { asFields, operationOf, read, WRITES } from './shop.ts';

const VERSIONS = ['2026-01', '2026-04', '2026-07', '2026-10'];
const QUERY_COST = 3;
const MUTATION_COST = 10;

/** How it misbehaves; shares are 0 to 1. Changed while it runs with POST /__behave. */
export interface ShopifyBehaviour {
  readonly leastLatencyMs: number;
  readonly mostLatencyMs: number;
  /** Share of requests answered 429 with Retry-After. */
  readonly rateLimited: number;
  readonly retryAfterSeconds: number;
  /** Share answered 200 THROTTLED although the bucket has room. */
  readonly throttled: number;
  /** Share answered 500 before anything was done. */
  readonly failing: number;
  /** Share of mutations carried out whose answer is lost: the connection is cut. */
  readonly loseAnswer: number;
  /** Share of requests cut before anything was done. */
  readonly cut: number;
}

const WELL: ShopifyBehaviour = {
  leastLatencyMs: 2,
  mostLatencyMs: 12,
  rateLimited: 0,
  retryAfterSeconds: 1,
  throttled: 0,
  failing: 0,
  loseAnswer: 0,
  cut: 0,
};

export interface ShopifyOptions {
  readonly port?: number;
  /** File that keeps the effects past the end of the process. */
  readonly state?: string;
  readonly plan?: Plan;
  readonly token?: string;
  readonly behaviour?: Partial<ShopifyBehaviour>;
}

export interface ShopifySimulator extends Listening {
  effects(): EffectCounts;
  behave(wanted: Partial<ShopifyBehaviour>): void;
}

/**
 * A stand-in for the Admin GraphQL API: token, versions, query cost and leaky bucket, THROTTLED with
 * status 200, 429, and mutations that take effect once per `X-Idempotency-Key`. It knows the operations
 * of the growth app, by name.
 */
export async function startShopifySimulator(options: ShopifyOptions = {}): Promise<ShopifySimulator> {
  const token = options.token ?? 'simulator-token';
  const effects = openEffects(options.state);
  const bucket = createBucket(PLANS[options.plan ?? 'standard']);
  const bodies = new Map<string, string>();
  let behaviour: ShopifyBehaviour = { ...WELL, ...options.behaviour };
  const happens = (share: number): boolean => share > 0 && Math.random() < share;

  const graphql = async (request: IncomingMessage, response: ServerResponse, body: string): Promise<void> => {
    const asked = /^\/admin\/api\/([^/]+)\/graphql\.json$/.exec(request.url ?? '')?.[1] ?? '';
    // A version that is gone falls forward to the oldest one still served.
    const served = VERSIONS.includes(asked) || asked === 'unstable' ? asked : (VERSIONS[0] ?? '');
    const headers = { 'x-shopify-api-version': served, 'x-request-id': crypto.randomUUID() };
    if (request.headers['x-shopify-access-token'] !== token) {
      const errors = '[API] Invalid API key or access token (unrecognized login or wrong password)';
      return sendJson(response, 401, { errors }, headers);
    }
    if (happens(behaviour.cut)) return void response.destroy();
    await sleep(between([behaviour.leastLatencyMs, behaviour.mostLatencyMs]));
    if (happens(behaviour.rateLimited)) {
      const retry = { ...headers, 'retry-after': behaviour.retryAfterSeconds.toFixed(1) };
      return sendJson(response, 429, { errors: 'Exceeded rate limit' }, retry);
    }
    if (happens(behaviour.failing)) return sendJson(response, 500, { errors: 'Internal Server Error' }, headers);

    const parsed = asFields(parseJson(body));
    const document = typeof parsed['query'] === 'string' ? parsed['query'] : '';
    const variables = asFields(parsed['variables']);
    const { mutation, field } = operationOf(document);
    const requestedQueryCost = mutation ? MUTATION_COST : QUERY_COST;
    const cost = (actualQueryCost: number | null) => ({
      cost: { requestedQueryCost, actualQueryCost, throttleStatus: bucket.status() },
    });
    if (happens(behaviour.throttled)) bucket.empty();
    if (!bucket.take(requestedQueryCost)) {
      const errors = [{ message: 'Throttled', extensions: { code: 'THROTTLED' } }];
      return sendJson(response, 200, { errors, extensions: cost(null) }, headers);
    }
    const answer = (data: unknown): void =>
      sendJson(response, 200, { data, extensions: cost(requestedQueryCost) }, headers);
    const unknown = (): void => {
      const errors = [{ message: `Field '${field}' doesn't exist`, extensions: { code: 'undefinedField' } }];
      sendJson(response, 200, { errors, extensions: cost(null) }, headers);
    };
    if (!mutation) {
      const data = read(document, variables, effects);
      return data === undefined ? unknown() : answer(data);
    }

    const write = WRITES[field];
    if (write === undefined) return unknown();
    const complain = (message: string): void => answer({ [field]: { userErrors: [{ field: ['id'], message }] } });
    if (typeof variables['id'] !== 'string' || !/^gid:\/\/shopify\/\w+\/\d+$/.test(variables['id'])) {
      return complain('Invalid global id');
    }
    const given = request.headers['x-idempotency-key'];
    const key = typeof given === 'string' ? given : '';
    effects.attempted(key);
    const digest = createHash('sha256').update(body).digest('hex');
    if (key !== '' && (bodies.get(key) ?? digest) !== digest) {
      return complain('The idempotency key was used with other parameters');
    }
    bodies.set(key, digest);
    if (effects.before(key) === undefined) {
      effects.commit({
        key,
        operation: field,
        target: write.target(variables),
        value: variables['value'],
        at: Date.now(),
      });
    }
    if (happens(behaviour.loseAnswer)) return void response.destroy();
    answer({ [field]: { ...write.payload(variables), userErrors: [] } });
  };

  const listening = await listen(options.port ?? 0, async (request, response, body) => {
    if (request.url === '/__effects') return sendJson(response, 200, effects.counts());
    if (request.url === '/__behave') {
      if (request.method === 'POST') behaviour = overlay(behaviour, parseJson(body));
      return sendJson(response, 200, behaviour);
    }
    if (request.method === 'POST' && request.url?.startsWith('/admin/api/') === true) {
      return graphql(request, response, body);
    }
    return sendJson(response, 404, { errors: 'Not Found' });
  });
  return {
    ...listening,
    effects: () => effects.counts(),
    behave(wanted) {
      behaviour = { ...behaviour, ...wanted };
    },
  };
}

if (import.meta.main) {
  await runFromCommandLine(({ plan, ...options }) =>
    startShopifySimulator({ ...options, ...(plan !== undefined && isPlan(plan) ? { plan } : {}) }),
  );
}
