import path from 'node:path';
import { parse } from 'smol-toml';
import { listFolder, readText } from '../system/index.ts';

/** What lies in an app's folder and says how it runs; everything parsed, nothing decided. */
export interface Sources {
  readonly folder: string;
  readonly packageJson: PackageJson | undefined;
  readonly packageManager: { readonly name: 'npm' | 'pnpm' | 'yarn' | 'bun'; readonly because: string };
  readonly fly: unknown;
  readonly procfile: readonly (readonly [name: string, command: string])[];
  readonly dockerfile: string | undefined;
  /** Name and text of the compose file. */
  readonly compose: readonly [string, string] | undefined;
  readonly supabase: unknown;
  readonly drizzleConfig: string | undefined;
  readonly prismaSchema: string | undefined;
  /** Names in .env.example; never values. */
  readonly envExample: readonly string[];
  /** Names in .env; undefined when there is none. */
  readonly envFile: readonly string[] | undefined;
  /** Names in the folder; folders end in `/`. */
  readonly names: readonly string[];
  /** Folders that may hold migrations, with the names in them. */
  readonly migrationFolders: readonly {
    readonly dir: string;
    readonly names: readonly string[];
    readonly sql: string;
  }[];
  /** Source files that are likely to start the server, by path. */
  readonly entries: readonly (readonly [string, string])[];
  /** Files that could not be read as what they are. */
  readonly broken: readonly { readonly file: string; readonly why: string }[];
}

export interface PackageJson {
  readonly name: string | undefined;
  readonly main: string | undefined;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: readonly string[];
  readonly workspaces: boolean;
}

/** A member of a value of unknown shape. */
export const at = (value: unknown, ...keys: readonly (string | number)[]): unknown =>
  keys.reduce<unknown>(
    (here, key) => (typeof here === 'object' && here !== null ? Reflect.get(here, key) : undefined),
    value,
  );

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const texts = (value: unknown): Readonly<Record<string, string>> =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(
        Object.entries(value).flatMap(([key, member]) => (typeof member === 'string' ? [[key, member]] : [])),
      )
    : {};

const envNames = (content: string): readonly string[] =>
  content.split('\n').flatMap((line) => /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1] ?? []);

const MIGRATION_FOLDERS = [
  'migrations',
  'db/migrations',
  'sql/migrations',
  'database/migrations',
  'supabase/migrations',
  'drizzle',
  'prisma/migrations',
];
const ENTRIES = ['server', 'index', 'app', 'main'].flatMap((name) =>
  ['', 'src/', 'app/'].flatMap((dir) => ['.ts', '.js', '.mjs'].map((extension) => `${dir}${name}${extension}`)),
);

function readPackage(value: unknown): PackageJson {
  return {
    name: text(at(value, 'name')),
    main: text(at(value, 'main')),
    scripts: texts(at(value, 'scripts')),
    dependencies: [
      ...Object.keys(texts(at(value, 'dependencies'))),
      ...Object.keys(texts(at(value, 'devDependencies'))),
    ],
    workspaces: at(value, 'workspaces') !== undefined,
  };
}

function manager(names: readonly string[]): Sources['packageManager'] {
  if (names.includes('pnpm-lock.yaml')) return { name: 'pnpm', because: 'pnpm-lock.yaml' };
  if (names.includes('yarn.lock')) return { name: 'yarn', because: 'yarn.lock' };
  if (names.includes('bun.lock') || names.includes('bun.lockb')) return { name: 'bun', because: 'bun.lock' };
  return { name: 'npm', because: names.includes('package-lock.json') ? 'package-lock.json' : 'no lockfile' };
}

const procfileOf = (content: string): Sources['procfile'] =>
  content.split('\n').flatMap((line): (readonly [string, string])[] => {
    const [, name, command] = /^([\w-]+)\s*:\s*(.+?)\s*$/.exec(line) ?? [];
    return name === undefined || command === undefined ? [] : [[name, command]];
  });

/** Reads everything that may say how an app runs. Missing files are normal. */
export async function readSources(dir: string): Promise<Sources> {
  const broken: { file: string; why: string }[] = [];
  const read = (name: string): Promise<string | undefined> => readText(path.join(dir, name));
  const parsed = async (name: string, how: (content: string) => unknown): Promise<unknown> => {
    const content = await read(name);
    if (content === undefined) return undefined;
    try {
      return how(content);
    } catch (error) {
      broken.push({ file: name, why: (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '' });
      return undefined;
    }
  };
  const names = await listFolder(dir);
  const json = await parsed('package.json', (content) => JSON.parse(content));
  const composeName = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'].find((name) =>
    names.includes(name),
  );
  const drizzleName = ['drizzle.config.ts', 'drizzle.config.js', 'drizzle.config.mjs'].find((name) =>
    names.includes(name),
  );
  const drizzleConfig = drizzleName === undefined ? undefined : await read(drizzleName);
  const drizzleOut = /\bout\s*:\s*['"`](?:\.\/)?([^'"`]+?)\/?['"`]/.exec(drizzleConfig ?? '')?.[1];
  const folders = [...new Set([...(drizzleOut === undefined ? [] : [drizzleOut]), ...MIGRATION_FOLDERS])];
  const migrationFolders: Sources['migrationFolders'][number][] = [];
  for (const folder of folders) {
    const inside = await listFolder(path.join(dir, folder));
    if (inside.length === 0) continue;
    const sql = await Promise.all(
      inside.filter((name) => name.endsWith('.sql')).map((name) => read(path.join(folder, name))),
    );
    migrationFolders.push({ dir: folder, names: inside, sql: sql.join('\n') });
  }
  const entries: (readonly [string, string])[] = [];
  const main = text(at(json, 'main'));
  for (const name of new Set([...(main === undefined ? [] : [main]), ...ENTRIES])) {
    const content = await read(name);
    if (content !== undefined) entries.push([name, content]);
  }
  const compose = composeName === undefined ? undefined : await read(composeName);
  const example = names.find((name) => /^\.env\.(example|sample|template|dist)$/.test(name));
  const envFile = await read('.env');
  return {
    folder: path.basename(path.resolve(dir)),
    packageJson: json === undefined ? undefined : readPackage(json),
    packageManager: manager(names),
    fly: await parsed('fly.toml', parse),
    procfile: procfileOf((await read('Procfile')) ?? ''),
    dockerfile: await read('Dockerfile'),
    compose: composeName === undefined || compose === undefined ? undefined : [composeName, compose],
    supabase: await parsed('supabase/config.toml', parse),
    drizzleConfig,
    prismaSchema: await read('prisma/schema.prisma'),
    envExample: example === undefined ? [] : envNames((await read(example)) ?? ''),
    envFile: envFile === undefined ? undefined : envNames(envFile),
    names,
    migrationFolders,
    entries,
    broken,
  };
}
