/** Small apps in the shapes that people have, as files; the texts are those of the templates. */
export interface AppShape {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);

export const SHOPIFY: AppShape = {
  name: 'Shopify template: React Router 7, Prisma, fly.toml',
  files: {
    'package.json': json({
      name: 'my-shopify-app',
      scripts: {
        build: 'react-router build',
        start: 'react-router-serve ./build/server/index.js',
        'docker-start': 'npm run setup && npm run start',
        setup: 'prisma generate && prisma migrate deploy',
      },
      dependencies: { '@prisma/client': '^6.2.1', '@react-router/serve': '^7.9.3', prisma: '^6.2.1' },
    }),
    'package-lock.json': '{}',
    'fly.toml': `app = "merch-actions"
primary_region = "ams"
kill_signal = "SIGTERM"
kill_timeout = 45

[env]
  NODE_ENV = "production"

[processes]
  app = "npm run docker-start"
  worker = "node build/worker.js"

[http_service]
  internal_port = 3000
  min_machines_running = 2
  processes = ["app"]

  [[http_service.checks]]
    path = "/healthz"

[[vm]]
  memory = "1gb"
  processes = ["app"]

[[vm]]
  size = "shared-cpu-2x"
  processes = ["worker"]
`,
    Dockerfile: `FROM node:20-alpine
EXPOSE 3000
ENV NODE_ENV=production
CMD ["npm", "run", "docker-start"]
`,
    'prisma/schema.prisma': 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n',
    'prisma/migrations/20240530213853_create_session_table/migration.sql': 'create table "Session" ();',
    'prisma/migrations/migration_lock.toml': 'provider = "postgresql"',
    '.env.example':
      'SHOPIFY_API_KEY=\nSHOPIFY_API_SECRET=do-not-print-me\nDATABASE_URL=postgres://u:do-not-print-me@h/db\n',
  },
};

export const EXPRESS: AppShape = {
  name: 'Express with a Procfile',
  files: {
    'package.json': json({ name: '@acme/orders_api', dependencies: { express: '5', pg: '8' } }),
    'yarn.lock': '',
    Procfile: 'web: node src/server.js\nworker: node src/worker.js --queue=orders\nrelease: npm run migrate\n',
    'src/server.js': "app.get('/health', ok); app.listen(process.env.PORT);",
    'migrations/001_orders.sql': 'create table orders ();',
    'migrations/002_lines.sql': 'create table lines ();',
    'docker-compose.yml': 'services:\n  db:\n    image: "postgis/postgis:16-3.4"\n',
    '.env': 'STRIPE_KEY=do-not-print-me\n',
    '.gitignore': 'node_modules',
  },
};

export const HONO: AppShape = {
  name: 'Hono with Drizzle',
  files: {
    'package.json': json({
      name: 'hono-shop',
      scripts: { build: 'tsc', start: 'node dist/index.js', worker: 'node dist/worker.js' },
      dependencies: { hono: '4', 'drizzle-orm': '1', '@towpath/sdk': '0.1.0' },
    }),
    'pnpm-lock.yaml': '',
    'drizzle.config.ts': "export default { dialect: 'postgresql', out: './db/steps', schema: './src/schema.ts' };",
    'db/steps/0000_first.sql': 'create table a ();\n--> statement-breakpoint\ncreate table b ();',
    'db/steps/meta/_journal.json': '{}',
    'src/index.ts': "serve({ port: Number(process.env.PORT) }); app.get('/readyz', ready);",
    'compose.yaml': 'services:\n  db:\n    image: pgvector/pgvector:pg17\n',
  },
};

export const FASTIFY: AppShape = {
  name: 'Fastify with a Dockerfile',
  files: {
    'package.json': json({ name: 'fastify-api', scripts: { build: 'tsc -p .' }, dependencies: { fastify: '5' } }),
    'package-lock.json': '{}',
    Dockerfile: `FROM node:24 AS build
CMD ["false"]
FROM node:24
ENV NODE_ENV=production PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s CMD \\
  curl -f http://localhost:8080/livez || exit 1
ENTRYPOINT ["/sbin/tini", "--"]
CMD ["node", "--enable-source-maps", "dist/server.js"]
`,
    'src/server.ts': 'await app.listen({ port: Number(process.env.PORT ?? 8080) });',
  },
};

export const SUPABASE: AppShape = {
  name: 'Supabase migrations',
  files: {
    'package.json': json({
      name: 'supa',
      main: 'server.mjs',
      dependencies: { '@supabase/supabase-js': '2', 'node-cron': '3' },
    }),
    'server.mjs': 'http.createServer(handle).listen(process.env.PORT);',
    'supabase/config.toml': '[db]\nport = 54322\nmajor_version = 15\n',
    'supabase/migrations/20240101000000_init.sql': 'create policy p on t to authenticated using (auth.uid() = owner);',
  },
};

export const BARE: AppShape = { name: 'a bare folder', files: { 'README.md': '# nothing yet\n' } };

export const BROKEN: AppShape = {
  name: 'files that cannot be read, names that cannot be used',
  files: {
    'package.json': '{ "name": ',
    'fly.toml': 'app = unquoted',
    Procfile: "web: node -e 'it'\\''s'\n9_Weird_Name: x\n2clock: node clock.js\n",
  },
};

export const SHAPES: readonly AppShape[] = [SHOPIFY, EXPRESS, HONO, FASTIFY, SUPABASE, BARE, BROKEN];
