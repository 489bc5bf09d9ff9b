import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { loadConfig, type Config } from '../config/index.ts';
import { discover, writeConfig } from './index.ts';
import { BARE, BROKEN, EXPRESS, FASTIFY, HONO, SHAPES, SHOPIFY, SUPABASE, type AppShape } from './testing-apps.ts';

async function lay(shape: AppShape, onTestFinished: (fn: () => Promise<void>) => void): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'towpath-init-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(shape.files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
  return dir;
}

async function init(shape: AppShape, onTestFinished: (fn: () => Promise<void>) => void) {
  const dir = await lay(shape, onTestFinished);
  const discovery = await discover(dir);
  await writeConfig(dir, discovery, { force: false });
  const { config } = await loadConfig(dir);
  return { dir, discovery, config };
}

const commands = (config: Config) =>
  Object.fromEntries(Object.entries(config.processes).map(([name, group]) => [name, group.command]));

test.for(SHAPES)('what init writes passes the check: $name', async (shape, { expect, onTestFinished }) => {
  const { discovery } = await init(shape, onTestFinished);
  expect(`${discovery.config}${JSON.stringify(discovery)}`).not.toContain('do-not-print-me');
});

test('the Shopify template: setup is taken out of the start, Prisma is left to the user and said so', async ({
  expect,
  onTestFinished,
}) => {
  const { discovery, config } = await init(SHOPIFY, onTestFinished);
  expect(discovery.config).toMatchInlineSnapshot(`
    "import { defineConfig } from 'towpath';

    // Written by \`towpath init\`. \`towpath config reference\` lists all that can stand here.
    export default defineConfig({
      app: 'merch-actions', // fly.toml app
      // postgres: { major: 15 }, // nothing states the major of production; 15 is the default
      build: { command: 'npx prisma generate && npm run build' }, // package.json scripts.build; Prisma needs its client generated
      // No migrations here: Prisma's folders (prisma/migrations/*/migration.sql) are not run by this version; run \`prisma migrate deploy\` yourself before a deploy.
      processes: {
        web: {
          kind: 'web',
          command: 'npm run start', // fly.toml processes.app
          readiness: { path: '/healthz' }, // fly.toml
          instances: 2, // fly.toml min_machines_running
          memory: '1024mb', // fly.toml vm
          stopTimeout: '45s', // fly.toml kill_timeout
        },
        worker: {
          kind: 'worker',
          command: 'node build/worker.js', // fly.toml processes.worker
          memory: '512mb', // fly.toml vm
          stopTimeout: '45s', // fly.toml kill_timeout
          handover: 'stop-first', // without @towpath/sdk a worker cannot be told to claim nothing; with it, leave this out
        },
      },
      environments: {
        local: {
          // Without database.url the app gets the embedded Postgres, in DATABASE_URL.
          env: { NODE_ENV: 'production' }, // as in production
          // envFile: '.env', // .env.example names what belongs in it
        },
        // production: { provider: 'fly' }, // fly.toml names the app merch-actions
      },
    });
    "
  `);
  expect(commands(config)).toEqual({ web: 'npm run start', worker: 'node build/worker.js' });
  expect(config.processes['web']).toMatchObject({ memory: 1024, instances: 2, stopTimeout: 45_000 });
  expect(config.processes['worker']).toMatchObject({ memory: 512 });
  expect(config.migrations).toBeUndefined();
  expect(discovery.unknown.filter((item) => item.blocking).map((item) => item.what)).toEqual([
    'how to run the migrations',
  ]);
});

test('Express: the Procfile names the groups, its release line is not run', async ({ expect, onTestFinished }) => {
  const { dir, discovery, config } = await init(EXPRESS, onTestFinished);
  expect(config.app).toBe('orders-api');
  expect(commands(config)).toEqual({ web: 'node src/server.js', worker: 'node src/worker.js --queue=orders' });
  expect(config.processes['web']).toMatchObject({ readiness: { path: '/health' } });
  expect(config.processes['worker']).toMatchObject({ handover: 'stop-first' });
  expect(config.postgres.major).toBe(16);
  expect(config.migrations?.dir).toBe('migrations');
  expect(config.environments['local']?.envFile).toBe('.env');
  expect(discovery.found.find((item) => item.where === 'Procfile release')?.usedFor).toContain('not run');
  expect(await readFile(path.join(dir, '.gitignore'), 'utf8')).toBe('node_modules\n.towpath/\n');
});

test('Hono: the folder of drizzle.config.ts, and a worker that knows the sdk', async ({ expect, onTestFinished }) => {
  const { discovery, config } = await init(HONO, onTestFinished);
  expect(commands(config)).toEqual({ web: 'node dist/index.js', worker: 'node dist/worker.js' });
  expect(config.processes['worker']).toMatchObject({ handover: 'generation' });
  expect(config.build.command).toBe('pnpm run build');
  expect(config.migrations?.dir).toBe('db/steps');
  expect(config.postgres.major).toBe(17);
  expect(discovery.unknown.map((item) => item.what)).toEqual(['whether the app runs its Drizzle migrations at start']);
});

test('Fastify: the last CMD of the Dockerfile and its health check', async ({ expect, onTestFinished }) => {
  const { discovery, config } = await init(FASTIFY, onTestFinished);
  expect(commands(config)).toEqual({ web: 'node --enable-source-maps dist/server.js' });
  expect(config.processes['web']).toMatchObject({ readiness: { path: '/livez' } });
  expect(config.environments['local']?.env).toEqual({ NODE_ENV: 'production' });
  expect(discovery.unknown).toEqual([]);
});

test('Supabase: its major, its migrations, and what the embedded Postgres lacks', async ({
  expect,
  onTestFinished,
}) => {
  const { discovery, config } = await init(SUPABASE, onTestFinished);
  expect(commands(config)).toEqual({ web: 'node server.mjs' });
  expect(config.postgres.major).toBe(15);
  expect(config.migrations?.dir).toBe('supabase/migrations');
  expect(discovery.unknown.map((item) => [item.what.slice(0, 24), item.blocking])).toEqual([
    ['which path tells that th', false],
    ['migrations that use what', true],
    ['what node-cron schedules', false],
  ]);
});

test('a bare folder: a config to fill in, and it says so', async ({ expect, onTestFinished }) => {
  const { discovery, config } = await init(BARE, onTestFinished);
  expect(commands(config)).toEqual({ web: 'node server.js' });
  expect(discovery.unknown.some((item) => item.blocking && item.what === 'how the app is started')).toBe(true);
});

test('broken files are named, odd names become usable', async ({ expect, onTestFinished }) => {
  const { discovery, config } = await init(BROKEN, onTestFinished);
  expect(Object.keys(config.processes)).toEqual(['web', 'weird-name', 'clock']);
  expect(discovery.unknown.map((item) => item.what)).toContain('what fly.toml says');
  expect(discovery.unknown.map((item) => item.what)).toContain('what package.json says');
});

test('a config that is there is kept, unless told otherwise', async ({ expect, onTestFinished }) => {
  const dir = await lay(BARE, onTestFinished);
  const file = path.join(dir, 'towpath.config.ts');
  await writeFile(file, 'mine');
  const discovery = await discover(dir);
  await expect(writeConfig(dir, discovery, { force: false })).rejects.toMatchObject({ code: 'discovery.exists' });
  expect(await readFile(file, 'utf8')).toBe('mine');
  expect(await writeConfig(dir, discovery, { force: true })).toEqual(['towpath.config.ts', '.gitignore']);
  expect(await readFile(file, 'utf8')).toBe(discovery.config);
});

const folder = (files: Readonly<Record<string, string>>): AppShape => ({ name: '', files });

test.for([
  ['down migrations', { 'migrations/1.up.sql': '', 'migrations/1.down.sql': '' }],
  ['migrations in code', { 'migrations/1.ts': '' }],
  ['a folder for each migration', { 'drizzle/20240101_a/migration.sql': '' }],
  [
    'Prisma over SQLite',
    { 'prisma/schema.prisma': 'datasource db { provider = "sqlite" }', 'prisma/migrations/1/migration.sql': '' },
  ],
] as const)('%s are left out with the reason', async ([, files], { expect, onTestFinished }) => {
  const { discovery, config } = await init(folder(files), onTestFinished);
  expect(config.migrations).toBeUndefined();
  const reason = discovery.unknown.find((item) => item.what === 'how to run the migrations');
  expect(reason?.blocking).toBe(true);
  expect(discovery.config).toContain(`// No migrations here: ${reason?.assumed}.`);
});
