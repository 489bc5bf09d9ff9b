import { setTimeout as sleep } from 'node:timers/promises';
import { log, message } from './log.ts';

const REQUEST_MS = 10_000;
const TRIES = 3;

/** Better words for a proposal. Falls back to the plain ones: a proposal is worth more than its wording. */
export type Wording = (task: string, plain: string, signal: AbortSignal) => Promise<string>;

export const plainWording: Wording = async (_task, plain) => plain;

interface Asked {
  readonly text?: string;
  /** Milliseconds until it is worth another try; undefined when it is not. */
  readonly retryMs?: number;
  readonly problem?: string;
}

export function createWording(openai: { readonly url: string; readonly key: string; readonly model: string }): Wording {
  const ask = async (task: string, signal: AbortSignal): Promise<Asked> => {
    const response = await fetch(`${openai.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${openai.key}` },
      body: JSON.stringify({
        model: openai.model,
        response_format: { type: 'json_object' },
        messages: [
          { role: 'system', content: 'Answer with JSON {"text": string}, at most 60 characters of text.' },
          { role: 'user', content: task },
        ],
      }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    });
    const body: unknown = await response.json();
    if (response.status === 429) {
      // Out of money looks like a rate limit, but waiting does not help.
      if (/insufficient_quota|credit_balance_exhausted/.test(JSON.stringify(body))) return { problem: 'no quota left' };
      return { problem: 'rate limit', retryMs: Number(response.headers.get('retry-after') ?? '1') * 1000 };
    }
    if (response.status >= 500) return { problem: `status ${response.status}`, retryMs: 500 };
    if (!response.ok) return { problem: `status ${response.status}` };
    const content = textAt(body, ['choices', 0, 'message', 'content']);
    const text = content === undefined ? undefined : textAt(JSON.parse(content), ['text']);
    return text === undefined || text.length > 120 ? { problem: 'unusable answer', retryMs: 0 } : { text };
  };

  return async (task, plain, signal) => {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      let asked: Asked;
      try {
        asked = await ask(task, signal);
      } catch (error) {
        // No answer, or one that is not JSON: models do stop in the middle of a sentence.
        asked = { problem: message(error), retryMs: 250 };
      }
      if (asked.text !== undefined) return asked.text;
      log('wording.failed', { attempt, problem: asked.problem });
      if (asked.retryMs === undefined || signal.aborted) break;
      await sleep(Math.min(asked.retryMs, 5000), undefined, { signal }).catch(() => {});
    }
    return plain;
  };
}

function textAt(value: unknown, path: readonly (string | number)[]): string | undefined {
  let at: unknown = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = Reflect.get(at, step);
  }
  return typeof at === 'string' ? at : undefined;
}
