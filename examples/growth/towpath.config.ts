import { defineConfig } from 'towpath';

// Each in a second of its own, so that they do not all start at once.
const cron = (recommender: string, second: number) => ({
  kind: 'cron' as const,
  command: ['node', 'src/cron.ts', recommender],
  // In production once an hour is plenty: '17 * * * *'.
  schedule: process.env['GROWTH_SCHEDULE'] ?? `${second}-59/${process.env['GROWTH_EVERY'] ?? 10} * * * * *`,
  timeout: '2m',
  memory: '256mb',
});

export default defineConfig({
  app: 'growth',
  postgres: { major: 15 },
  migrations: { dir: 'migrations' },
  processes: {
    web: {
      kind: 'web',
      command: ['node', 'src/web.ts'],
      instances: 1,
      readiness: { path: '/ready', timeout: process.env['GROWTH_READY'] ?? '60s' },
      stopTimeout: '30s',
    },
    worker: {
      kind: 'worker',
      command: ['node', 'src/worker.ts'],
      instances: 1,
      stopTimeout: '40s',
    },
    'seo-ctr': cron('seo-ctr', 0),
    metaobject: cron('metaobject', 2),
    'merch-playbook': cron('merch-playbook', 4),
    'guided-selling': cron('guided-selling', 6),
  },
  environments: {
    // Two simulators stand in for Shopify and OpenAI: see README.md.
    local: {
      env: {
        SHOPIFY_URL: process.env['SHOPIFY_URL'] ?? 'http://127.0.0.1:4010',
        SHOPIFY_TOKEN: 'simulator-token',
        OPENAI_URL: process.env['OPENAI_URL'] ?? 'http://127.0.0.1:4020',
        OPENAI_API_KEY: 'simulator-key',
        CLAIM_MS: process.env['CLAIM_MS'] ?? '15000',
      },
    },
  },
  rollout: {
    stages: [5, 25, 50, 100],
    // Fit for watching. In production: hold '5m', bake '1h'.
    hold: process.env['GROWTH_HOLD'] ?? '3s',
    bake: process.env['GROWTH_BAKE'] ?? '10s',
  },
});
