import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  between,
  isFields,
  listen,
  overlay,
  parseJson,
  runFromCommandLine,
  sendJson,
  type Listening,
} from './serve.ts';

const CREATED = 1_767_225_600;
const LIMIT = 500;

/** How it misbehaves; shares are 0 to 1. Changed while it runs with POST /__behave. */
export interface OpenAiBehaviour {
  readonly leastLatencyMs: number;
  readonly mostLatencyMs: number;
  /** Share answered 429 rate limit: trying again helps. */
  readonly rateLimited: number;
  /** Whether every request is answered 429 insufficient_quota: trying again does not help. */
  readonly outOfQuota: boolean;
  /** Share answered 503 overloaded. */
  readonly overloaded: number;
  /** Share whose content is JSON cut in the middle, with status 200. */
  readonly truncated: number;
}

const WELL: OpenAiBehaviour = {
  leastLatencyMs: 5,
  mostLatencyMs: 40,
  rateLimited: 0,
  outOfQuota: false,
  overloaded: 0,
  truncated: 0,
};

export interface OpenAiOptions {
  readonly port?: number;
  readonly key?: string;
  readonly behaviour?: Partial<OpenAiBehaviour>;
}

export interface OpenAiSimulator extends Listening {
  /** Completions asked for so far. */
  completions(): number;
  behave(wanted: Partial<OpenAiBehaviour>): void;
}

/** A stand-in for GET /v1/models, POST /v1/chat/completions and POST /v1/responses, with their errors and headers. */
export async function startOpenAiSimulator(options: OpenAiOptions = {}): Promise<OpenAiSimulator> {
  const key = options.key ?? 'simulator-key';
  let behaviour: OpenAiBehaviour = { ...WELL, ...options.behaviour };
  let completions = 0;
  const happens = (share: number): boolean => share > 0 && Math.random() < share;

  const api = async (request: IncomingMessage, response: ServerResponse, body: string): Promise<void> => {
    const startedAt = performance.now();
    const send = (status: number, content: unknown, more: Readonly<Record<string, string>> = {}): void =>
      sendJson(response, status, content, {
        'x-request-id': `req_${crypto.randomUUID().replaceAll('-', '')}`,
        'openai-version': '2020-10-01',
        'openai-organization': 'simulated',
        'openai-processing-ms': String(Math.round(performance.now() - startedAt)),
        ...more,
      });
    const refuse = (status: number, type: string, code: string | null, message: string, more = {}): void =>
      send(status, { error: { message, type, param: null, code } }, more);

    if (request.headers.authorization !== `Bearer ${key}`) {
      return refuse(401, 'invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.');
    }
    if (request.method === 'GET' && request.url === '/v1/models') {
      const models = ['gpt-5-mini', 'gpt-5'].map((id) => ({
        id,
        object: 'model',
        created: CREATED,
        owned_by: 'system',
      }));
      return send(200, { object: 'list', data: models });
    }
    const chat = request.url === '/v1/chat/completions';
    if (request.method !== 'POST' || (!chat && request.url !== '/v1/responses')) {
      return refuse(404, 'invalid_request_error', null, `Invalid URL (${request.method} ${request.url})`);
    }
    completions++;
    await sleep(between([behaviour.leastLatencyMs, behaviour.mostLatencyMs]));
    const limits = {
      'x-ratelimit-limit-requests': String(LIMIT),
      'x-ratelimit-remaining-requests': String(Math.max(0, LIMIT - (completions % LIMIT))),
      'x-ratelimit-reset-requests': '120ms',
    };
    if (behaviour.outOfQuota) {
      return refuse(429, 'insufficient_quota', 'insufficient_quota', 'You exceeded your current quota.', limits);
    }
    if (happens(behaviour.rateLimited)) {
      const retry = { ...limits, 'retry-after': '1', 'retry-after-ms': '1000' };
      return refuse(429, 'requests', 'rate_limit_exceeded', 'Rate limit reached. Please try again in 1s.', retry);
    }
    if (happens(behaviour.overloaded)) {
      return refuse(503, 'server_error', 'server_is_overloaded', 'The server is overloaded.', limits);
    }
    const asked = parseJson(body);
    if (!isFields(asked) || typeof asked['model'] !== 'string') {
      return refuse(400, 'invalid_request_error', 'missing_required_parameter', "Missing required parameter: 'model'.");
    }
    const subject = /"([^"]{1,40})"/.exec(lastText(asked))?.[1] ?? 'it';
    const whole = JSON.stringify({ text: `${subject}, chosen with care` });
    const content = happens(behaviour.truncated) ? whole.slice(0, whole.length / 2) : whole;
    const usage = { prompt_tokens: 40, completion_tokens: 12, total_tokens: 52 };
    const id = crypto.randomUUID();
    if (chat) {
      const message = { role: 'assistant', content, refusal: null };
      const finish_reason = content === whole ? 'stop' : 'length';
      const choices = [{ index: 0, message, finish_reason }];
      return send(200, { id: `chatcmpl-${id}`, object: 'chat.completion', created: CREATED, model: asked['model'], choices, usage }, limits); // prettier-ignore
    }
    const output = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: content }] }];
    const status = content === whole ? 'completed' : 'incomplete';
    send(200, { id: `resp_${id}`, object: 'response', created_at: CREATED, status, model: asked['model'], output, usage }, limits); // prettier-ignore
  };

  const listening = await listen(options.port ?? 0, async (request, response, body) => {
    if (request.url === '/__behave') {
      if (request.method === 'POST') behaviour = overlay(behaviour, parseJson(body));
      return sendJson(response, 200, behaviour);
    }
    return api(request, response, body);
  });
  return {
    ...listening,
    completions: () => completions,
    behave(wanted) {
      behaviour = { ...behaviour, ...wanted };
    },
  };
}

/** The text asked last: of the chat messages, or the input of a response. */
function lastText(asked: Readonly<Record<string, unknown>>): string {
  const messages: unknown = asked['messages'] ?? asked['input'];
  if (typeof messages === 'string') return messages;
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return isFields(last) && typeof last['content'] === 'string' ? last['content'] : '';
}

if (import.meta.main) await runFromCommandLine(startOpenAiSimulator);
