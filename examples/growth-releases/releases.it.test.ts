import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { beforeAll, afterAll, describe, test } from 'vitest';
import { createTestDatabase } from '../../packages/towpath/src/system/testing.ts';
import { assembleGrowth, growthVersions, type AssembledGrowth, type GrowthVersion } from './assemble.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
let place: string;
let growth: AssembledGrowth;
/** A working tree of each version. */
const tree = (version: GrowthVersion): string => path.join(place, version);

beforeAll(async () => {
  place = mkdtempSync(path.join(tmpdir(), 'growth-releases-'));
  growth = await assembleGrowth({ dir: path.join(place, 'repository') });
  for (const version of growthVersions) {
    execFileSync('git', ['-C', growth.dir, 'worktree', 'add', '--quiet', '--detach', tree(version), version]);
  }
  // Installed once, as a user would, and lent to the other versions: their dependencies are the same.
  execFileSync('npm', ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], {
    cwd: tree('v1'),
    stdio: 'pipe',
  });
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** Starts web of a version on a database with all migrations of v2. */
async function startWeb(version: GrowthVersion, databaseUrl: string): Promise<{ url: string } & AsyncDisposable> {
  if (version !== 'v1') symlinkSync(path.join(tree('v1'), 'node_modules'), path.join(tree(version), 'node_modules'));
  const child = spawn(process.execPath, ['src/web.ts'], {
    cwd: tree(version),
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      SHOPIFY_URL: 'http://127.0.0.1:9',
      SHOPIFY_TOKEN: 'x',
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<string>((resolve, reject) => {
    let output = '';
    child.on('close', () => reject(new Error(`web of ${version} ended: ${output}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const found = /"port":(\d+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.on('close', resolve));
      child.kill('SIGKILL');
      await ended;
      if (version !== 'v1') rmSync(path.join(tree(version), 'node_modules'));
    },
  };
}

async function migrated(): Promise<{ url: string } & AsyncDisposable> {
  const database = await createTestDatabase({ empty: true });
  const client = new pg.Client(database.url);
  await client.connect();
  const folder = path.join(tree('v2'), 'migrations');
  for (const name of readdirSync(folder).sort((a, b) => a.localeCompare(b))) {
    await client.query(readFileSync(path.join(folder, name), 'utf8'));
  }
  await client.end();
  return { url: database.url, [Symbol.asyncDispose]: () => database.dispose() };
}

const post = (title: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    type: 'metafield',
    title,
    payload: { id: 'gid://shopify/Product/1', value: 'x', key: 'k' },
    confidence: 0.5,
    estimatedImpact: 4,
  }),
});

test('there is a tag and a commit for each version', ({ expect }) => {
  const tags = execFileSync('git', ['-C', growth.dir, 'tag'], { encoding: 'utf8' }).trim().split('\n');
  expect(new Set(tags)).toEqual(new Set(growthVersions));
  expect(new Set(Object.values(growth.commits)).size).toBe(growthVersions.length);
  expect(readdirSync(tree('v1'))).not.toContain('testing');
});

test('every version compiles', ({ expect }) => {
  // @types and `towpath` come from the workspace.
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(place, 'node_modules'));
  const project = path.join(place, 'tsconfig.json');
  writeFileSync(
    project,
    JSON.stringify({
      extends: path.join(ROOT, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        customConditions: ['towpath-source'],
        typeRoots: [path.join(ROOT, 'node_modules', '@types')],
      },
      include: growthVersions.flatMap((version) => [`${version}/src`, `${version}/towpath.config.ts`]),
    }),
  );
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const listed = spawnSync(process.execPath, [tsc, '-p', project, '--listFiles'], { encoding: 'utf8' });
  expect(listed.stdout).not.toContain('error TS');
  expect(listed.status, listed.stderr).toBe(0);
  for (const version of growthVersions) expect(listed.stdout).toContain(path.join(tree(version), 'src', 'web.ts'));
});

describe('on the schema of v2', () => {
  test('v1 goes on working, and v2 ranks what both proposed', async ({ expect }) => {
    await using database = await migrated();
    await using old = await startWeb('v1', database.url);
    await using next = await startWeb('v2', database.url);
    expect((await fetch(`${old.url}/api/actions`, post('by v1'))).status).toBe(201);
    expect((await fetch(`${next.url}/api/actions`, post('by v2'))).status).toBe(201);
    const listed: unknown = await (await fetch(`${next.url}/api/actions`)).json();
    expect(listed).toMatchObject({
      actions: [
        { title: 'by v2', score: 2 },
        { title: 'by v1', score: null },
      ],
    });
    expect((await fetch(`${old.url}/`)).status).toBe(200);
    const names = await (await fetch(`${next.url}/api/recommenders`)).text();
    expect(names).toContain('web-vitals');
  });

  test('v3-bad passes single checks and fails one request in twenty under load', async ({ expect }) => {
    await using database = await migrated();
    await using web = await startWeb('v3-bad', database.url);
    for (let i = 0; i < 10; i++) expect((await fetch(`${web.url}/ready`)).status).toBe(200);
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`${web.url}/api/shops`)).status).toBe(200);
    }
    const statuses: number[] = [];
    for (let i = 0; i < 200; i++) {
      const response = await fetch(`${web.url}/api/shops`);
      expect(response.headers.get('x-growth-version')).toBe('v3-bad');
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    expect(statuses.filter((status) => status === 500).length).toBe(10);
  });

  test('v4-bad lives and never becomes ready', async ({ expect }) => {
    await using database = await migrated();
    await using web = await startWeb('v4-bad', database.url);
    expect((await fetch(`${web.url}/live`)).status).toBe(200);
    expect((await fetch(`${web.url}/ready`)).status).toBe(503);
  });
});
