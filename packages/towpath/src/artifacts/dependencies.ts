import { readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError, sha256 } from '../kernel/index.ts';
import { ensureDir, hasCode, readText } from '../system/index.ts';
import type { Tools } from './tools.ts';
import { digestOf, removeTree, transfer, walk } from './tree.ts';

/** `full` has what the build command needs; `production` what runs. */
export type Mode = 'full' | 'production';

interface Installer {
  readonly lockfile: string;
  readonly install: Readonly<Record<Mode, readonly [string, ...string[]]>>;
  readonly prune: readonly [string, ...string[]];
}

const QUIET = ['--prefer-offline', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'] as const;

const npm = (lockfile: string): Installer => ({
  lockfile,
  install: {
    full: ['npm', 'ci', '--include=dev', ...QUIET],
    production: ['npm', 'ci', '--omit=dev', ...QUIET],
  },
  prune: ['npm', 'prune', '--omit=dev', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--loglevel=error'],
});

// Its store is linked into node_modules otherwise, and sealing the artifact would seal the store.
const COPY = '--config.package-import-method=copy';
const pnpm: Installer = {
  lockfile: 'pnpm-lock.yaml',
  install: {
    full: ['pnpm', 'install', '--frozen-lockfile', '--prefer-offline', COPY],
    production: ['pnpm', 'install', '--frozen-lockfile', '--prefer-offline', '--prod', COPY],
  },
  prune: ['pnpm', 'prune', '--prod', '--ignore-scripts'],
};

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  /** Dependencies plus those of development. */
  readonly all: Readonly<Record<string, string>>;
  /** Its install depends on more than the lockfile. */
  readonly scripted: boolean;
}

/**
 * Installs exactly what the lockfile says into `app`, from the cache when the same was installed before.
 * @returns whether it came from the cache, and how to reduce a full install to production
 */
export async function installDependencies(
  app: string,
  layers: string,
  mode: Mode,
  tools: Tools,
): Promise<{ readonly cached: boolean; prune(): Promise<void> }> {
  const manifest = await readManifest(app);
  const nothing = { cached: true, prune: () => Promise.resolve() };
  if (manifest === undefined || Object.keys(manifest.all).length === 0) return nothing;
  const installer = await chooseInstaller(app);
  refuseOutside(manifest);
  if (installer.lockfile === pnpm.lockfile) await requirePnpm(app, tools);
  const key = await layerKey(app, installer, manifest, mode);
  const layer = path.join(layers, key);
  const prune = (): Promise<void> => tools.must('removing development dependencies', installer.prune, app);
  // A build may write into what it finds, so it gets bytes of its own; what only runs shares them.
  const how = mode === 'full' ? 'copy' : 'link';
  if (await isThere(layer)) {
    await transfer(layer, path.join(app, 'node_modules'), await walk(layer), how);
    return { cached: true, prune };
  }
  await tools.must('installing dependencies', installer.install[mode], app);
  await keepLayer(path.join(app, 'node_modules'), layer, how);
  return { cached: false, prune };
}

async function keepLayer(installed: string, layer: string, how: 'link' | 'copy'): Promise<void> {
  if (!(await isThere(installed))) return;
  await ensureDir(path.dirname(layer));
  const temporary = `${layer}.${process.pid}.${sha256(installed).slice(0, 8)}.tmp`;
  try {
    // Read-only before it is shared.
    if (how === 'link') await digestOf(installed, { seal: true });
    await transfer(installed, temporary, await walk(installed), how);
    await rename(temporary, layer);
  } catch (error) {
    // Another build kept the same just now. One with links out of it is refused when it is sealed.
    const harmless = hasCode(error, 'ENOTEMPTY', 'EEXIST');
    if (!harmless && !(error instanceof TowpathError)) throw error;
  } finally {
    await removeTree(temporary);
  }
}

async function layerKey(app: string, installer: Installer, manifest: Manifest, mode: Mode): Promise<string> {
  const parts: string[] = [
    `node ${process.versions.node.split('.')[0]} ${process.platform} ${process.arch} ${mode} ${installer.install[mode].join(' ')}`,
  ];
  for (const name of ['package.json', installer.lockfile, '.npmrc', 'pnpm-workspace.yaml', '.pnpmfile.cjs']) {
    parts.push(`${name} ${sha256((await readText(path.join(app, name))) ?? '')}`);
  }
  for (const [name, spec] of Object.entries(manifest.all)) {
    if (!spec.startsWith('file:')) continue;
    const target = path.join(app, spec.slice('file:'.length));
    const content = await readFile(target).catch(async (error: unknown) => {
      if (hasCode(error, 'EISDIR')) return (await digestOf(target, { seal: false })).digest;
      throw missingFile(name, spec, error);
    });
    parts.push(`${name} ${sha256(content)}`);
  }
  // An install script of the app itself may read any file of it.
  if (manifest.scripted) parts.push((await digestOf(app, { seal: false })).digest);
  return sha256(parts.join('\n'));
}

async function chooseInstaller(app: string): Promise<Installer> {
  for (const lockfile of ['npm-shrinkwrap.json', 'package-lock.json']) {
    if (await isThere(path.join(app, lockfile))) return npm(lockfile);
  }
  if (await isThere(path.join(app, pnpm.lockfile))) return pnpm;
  for (const lockfile of ['yarn.lock', 'bun.lock', 'bun.lockb']) {
    if (await isThere(path.join(app, lockfile))) {
      throw new TowpathError('artifact.lockfile_unsupported', `${lockfile} is not supported yet`, {
        remedy: 'fix-input',
        hint: 'run `npm install --package-lock-only` and commit package-lock.json, or use pnpm',
      });
    }
  }
  throw new TowpathError('artifact.no_lockfile', 'the app has dependencies but no lockfile in its folder', {
    remedy: 'fix-input',
    hint: 'run `npm install --package-lock-only --workspaces=false` in that folder and commit package-lock.json: a release must start again with the same versions',
  });
}

async function requirePnpm(app: string, tools: Tools): Promise<void> {
  const found = await tools.ask(['pnpm', '--version'], app).catch(() => ({ code: 127 }));
  if (found.code === 0) return;
  throw new TowpathError('artifact.lockfile_unsupported', 'the app has pnpm-lock.yaml, but pnpm is not on the PATH', {
    remedy: 'fix-input',
    hint: 'npm install --global pnpm',
  });
}

async function readManifest(app: string): Promise<Manifest | undefined> {
  const text = await readText(path.join(app, 'package.json'));
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new TowpathError('artifact.build_failed', 'package.json is not JSON', {
      remedy: 'fix-input',
      hint: 'correct package.json',
      cause: error,
    });
  }
  const dependencies = { ...textsOf(parsed, 'dependencies'), ...textsOf(parsed, 'optionalDependencies') };
  const scripts = textsOf(parsed, 'scripts');
  return {
    dependencies,
    all: { ...dependencies, ...textsOf(parsed, 'devDependencies') },
    scripted: ['preinstall', 'install', 'postinstall', 'prepare'].some((name) => name in scripts),
  };
}

function textsOf(manifest: unknown, member: string): Readonly<Record<string, string>> {
  if (typeof manifest !== 'object' || manifest === null) return {};
  const value: unknown = Reflect.get(manifest, member);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}

function refuseOutside(manifest: Manifest): void {
  const outside = Object.entries(manifest.all).find(([, spec]) => /^(file|link):(\.\.(\/|$)|\/)/.test(spec));
  if (outside !== undefined) throw missingFile(outside[0], outside[1]);
}

function missingFile(name: string, spec: string, cause?: unknown): TowpathError {
  return new TowpathError('artifact.link_outside', `the dependency ${name} (${spec}) is not inside the app's folder`, {
    remedy: 'fix-input',
    hint: `npm pack it, put the .tgz into the app's folder, commit it, and depend on file:./<name>.tgz`,
    cause,
  });
}

const isThere = async (file: string): Promise<boolean> =>
  await stat(file).then(
    () => true,
    () => false,
  );
