/**
 * Completes package-lock.json: npm leaves out optional binaries of other platforms when it cannot see
 * them at the time of an install, and `npm ci` then refuses the file everywhere. Their version is
 * pinned by the package that asks for them, so the missing entries can be written from its own.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, say } from './parts.ts';

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}
export interface Lockfile {
  readonly packages: Readonly<Record<string, Entry>>;
}

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'netbsd', 'openbsd', 'sunos', 'aix'];
/** As they stand in the names of such packages; the first that fits. */
const PROCESSORS = {
  arm64: 'arm64',
  x64: 'x64',
  ia32: 'ia32',
  arm: 'arm',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
};

/** The entries that are missing, by their place in the file. */
export function missingBinaries({ packages }: Lockfile): Readonly<Record<string, Entry>> {
  const missing: Record<string, Entry> = {};
  for (const [place, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const found = [`${place}/node_modules/${name}`, `node_modules/${name}`].some(
        (each) => packages[each] !== undefined,
      );
      const platform = platformOf(name);
      // Only what names its platform and is pinned: anything else has to be asked of the registry.
      if (found || platform === undefined || !/^\d/.test(version)) continue;
      missing[`node_modules/${name}`] = { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platform };
    }
  }
  return missing;
}

function platformOf(name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> | undefined {
  const words = name.split(/[-/]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = Object.entries(PROCESSORS).find(([word]) => words.includes(word))?.[1];
  if (os === undefined || cpu === undefined) return undefined;
  const libc =
    words.includes('musl') || words.includes('musleabihf')
      ? ['musl']
      : words.some((word) => word.startsWith('gnu'))
        ? ['glibc']
        : undefined;
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc }) };
}

/** @returns how many entries were added */
export async function completeLockfile(file: string): Promise<number> {
  const lockfile = JSON.parse(await readFile(file, 'utf8')) as Lockfile; // oxlint-disable-line typescript/no-unsafe-type-assertion -- npm's own format, version 3
  const missing = missingBinaries(lockfile);
  if (Object.keys(missing).length === 0) return 0;
  const packages = Object.entries({ ...lockfile.packages, ...missing }).toSorted(([a], [b]) =>
    a.localeCompare(b, 'en'),
  );
  await writeFile(file, `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(packages) }, null, 2)}\n`);
  return Object.keys(missing).length;
}

if (import.meta.main) {
  const added = await completeLockfile(path.join(ROOT, 'package-lock.json'));
  if (added > 0) say(`package-lock.json: added ${added} binaries of other platforms`);
}
