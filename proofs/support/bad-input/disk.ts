import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { wrongDeploy, writeNext, type Bench, type Case } from './bench.ts';

const run = promisify(execFile);

/** The folders that lie on small file systems of their own, below the project's, and how large these are. */
const SMALL: readonly (readonly [string, string])[] = [
  ['.towpath/artifacts', '16m'],
  ['.towpath/environments/local/instances', '4m'],
];

/** root, or whom sudo lets be it without a password; without either there is no way to show what a full disk does. */
const asRoot = (argv: readonly [string, ...string[]]): readonly [string, ...string[]] =>
  process.getuid?.() === 0 ? argv : ['sudo', '-n', ...argv];

async function must(argv: readonly [string, ...string[]]): Promise<void> {
  const [file, ...rest] = asRoot(argv);
  await run(file, rest, { timeout: 10_000 });
}

/** Mounts the small file systems. @returns takes them away again */
export async function mountSmall(project: string): Promise<() => Promise<void>> {
  const mounted: string[] = [];
  const release = async (): Promise<void> => {
    for (const dir of mounted.splice(0)) await must(['umount', '-l', dir]);
  };
  try {
    for (const [name, size] of SMALL) {
      const dir = path.join(project, name);
      await mkdir(dir, { recursive: true, mode: 0o711 });
      const owner = `uid=${process.getuid?.() ?? 0},gid=${process.getgid?.() ?? 0}`;
      await must(['mount', '-t', 'tmpfs', '-o', `size=${size},mode=0711,${owner}`, 'tmpfs', dir]);
      mounted.push(dir);
    }
  } catch (error) {
    await release();
    throw new Error('a small tmpfs could not be mounted, and without one a full disk cannot be shown: run as root', {
      cause: error,
    });
  }
  return release;
}

/** Fills a file system to its last page. */
async function fill(file: string): Promise<void> {
  const handle = await open(file, 'w');
  try {
    for (let size = 1 << 20; size >= 4096;) {
      try {
        await handle.appendFile(Buffer.alloc(size));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        size >>= 1;
      }
    }
  } finally {
    await handle.close();
  }
}

async function wrongWhenFull(bench: Bench, folder: string, code: string): Promise<readonly string[]> {
  const filler = path.join(bench.project.dir, folder, '.filler');
  await fill(filler);
  try {
    await writeNext(bench);
    return await wrongDeploy(bench, { code, hint: /df -h/ });
  } finally {
    await rm(filler, { force: true });
  }
}

export const DISK_CASES: readonly Case[] = [
  {
    name: 'disk of the artifacts is full',
    run: (bench) => wrongWhenFull(bench, '.towpath/artifacts', 'artifact.disk_full'),
  },
  {
    name: 'disk of the instances is full',
    run: (bench) => wrongWhenFull(bench, '.towpath/environments/local/instances', 'provider.disk_full'),
  },
];
