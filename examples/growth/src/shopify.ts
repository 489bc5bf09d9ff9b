import { setTimeout as sleep } from 'node:timers/promises';

export const SHOPIFY_API_VERSION = '2026-10';
const REQUEST_MS = 8000;

/** `busy` and `unavailable` may be tried again, the others may not. */
export class ShopifyError extends Error {
  readonly kind: 'busy' | 'unavailable' | 'refused' | 'invalid';
  /** For `busy`: when Shopify has room again. */
  readonly waitMs: number;
  constructor(kind: ShopifyError['kind'], message: string, waitMs = 0) {
    super(message);
    this.name = 'ShopifyError';
    this.kind = kind;
    this.waitMs = waitMs;
  }
}

export type Fields = Readonly<Record<string, unknown>>;
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});

export interface Shopify {
  /**
   * Runs one GraphQL document. With a `key` Shopify carries a mutation out once, however often it is sent.
   * Waits for room in the rate limit while the signal allows. @throws ShopifyError
   */
  graphql(
    document: string,
    variables: Fields,
    options: { readonly key?: string; readonly signal: AbortSignal },
  ): Promise<Fields>;
}

export function createShopify(settings: { readonly url: string; readonly token: string }): Shopify {
  const once = async (body: string, key: string | undefined, signal: AbortSignal): Promise<Fields> => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${settings.url}/admin/api/${SHOPIFY_API_VERSION}/graphql.json`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-shopify-access-token': settings.token,
          ...(key === undefined ? {} : { 'x-idempotency-key': key }),
        },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
      });
      text = await response.text();
    } catch (error) {
      // The answer is lost, not necessarily the effect: only the same key makes another try safe.
      throw new ShopifyError('unavailable', `no answer from Shopify: ${error instanceof Error ? error.message : ''}`);
    }
    if (response.status === 429) {
      const seconds = Number(response.headers.get('retry-after') ?? '2');
      throw new ShopifyError('busy', 'Shopify answers 429', (Number.isFinite(seconds) ? seconds : 2) * 1000);
    }
    if (response.status >= 500) throw new ShopifyError('unavailable', `Shopify answers ${response.status}`);
    if (!response.ok) throw new ShopifyError('refused', `Shopify answers ${response.status}; check SHOPIFY_TOKEN`);
    let answer: Fields;
    try {
      answer = fieldsOf(JSON.parse(text));
    } catch {
      throw new ShopifyError('unavailable', 'Shopify sent a broken answer');
    }
    const errors = Array.isArray(answer['errors']) ? answer['errors'].map(fieldsOf) : [];
    const first = errors[0];
    if (first !== undefined) {
      if (fieldsOf(first['extensions'])['code'] !== 'THROTTLED') {
        throw new ShopifyError('invalid', `Shopify: ${String(first['message'])}`);
      }
      const cost = fieldsOf(fieldsOf(answer['extensions'])['cost']);
      const bucket = fieldsOf(cost['throttleStatus']);
      const missing = Number(cost['requestedQueryCost']) - Number(bucket['currentlyAvailable']);
      const seconds = missing / Number(bucket['restoreRate']);
      throw new ShopifyError(
        'busy',
        'Shopify throttles',
        Number.isFinite(seconds) ? Math.max(50, seconds * 1000) : 1000,
      );
    }
    const result = fieldsOf(answer['data']);
    for (const field of Object.values(result)) {
      const complaints = fieldsOf(field)['userErrors'];
      if (Array.isArray(complaints) && complaints.length > 0) {
        throw new ShopifyError('invalid', `Shopify: ${String(fieldsOf(complaints[0])['message'])}`);
      }
    }
    return result;
  };

  return {
    async graphql(document, variables, { key, signal }) {
      const body = JSON.stringify({ query: document, variables });
      for (;;) {
        try {
          return await once(body, key, signal);
        } catch (error) {
          if (!(error instanceof ShopifyError) || error.kind !== 'busy') throw error;
          // Many workers are told the same moment; a little disorder keeps them from coming back together.
          await sleep(error.waitMs * (1 + Math.random() / 4), undefined, { signal }).catch(() => {
            throw error;
          });
        }
      }
    },
  };
}
