export interface Settings {
  readonly databaseUrl: string;
  /** Fly and containers need 0.0.0.0 or ::. */
  readonly host: string;
  readonly port: number;
  readonly shopify: { readonly url: string; readonly token: string; readonly shop: string };
  /** Without a key the recommenders use plain wording. */
  readonly openai: { readonly url: string; readonly key: string; readonly model: string } | undefined;
  readonly worker: { readonly concurrency: number; readonly claimMs: number; readonly retryMs: number };
}

/** Reads the environment once. @throws Error naming everything that is missing or wrong */
export function readSettings(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const problems: string[] = [];
  const text = (name: string, fallback?: string): string => {
    const value = env[name] || fallback;
    if (value === undefined) problems.push(`${name} is missing`);
    return value ?? '';
  };
  const url = (name: string, fallback?: string): string => {
    const value = text(name, fallback);
    if (value !== '' && !URL.canParse(value)) problems.push(`${name} is not a URL`);
    return value.replace(/\/$/, '');
  };
  const number = (name: string, fallback: number): number => {
    const value = Number(env[name] || fallback);
    if (!Number.isFinite(value) || value < 0) problems.push(`${name} is not a number`);
    return value;
  };
  const key = env['OPENAI_API_KEY'] || undefined;
  const settings: Settings = {
    databaseUrl: url('DATABASE_URL'),
    host: text('HOST', '127.0.0.1'),
    port: number('PORT', 3000),
    shopify: {
      url: url('SHOPIFY_URL'),
      token: text('SHOPIFY_TOKEN'),
      shop: text('SHOPIFY_SHOP', 'demo.myshopify.com'),
    },
    openai:
      key === undefined
        ? undefined
        : { key, url: url('OPENAI_URL', 'https://api.openai.com'), model: text('OPENAI_MODEL', 'gpt-5-mini') },
    worker: {
      concurrency: number('WORKER_CONCURRENCY', 4),
      claimMs: number('CLAIM_MS', 15_000),
      retryMs: number('RETRY_MS', 1000),
    },
  };
  if (problems.length > 0) throw new Error(`environment: ${problems.join('; ')} (see .env.example)`);
  return settings;
}
