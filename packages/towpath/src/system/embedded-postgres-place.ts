import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import type { RunAs } from './embedded-postgres-binaries.ts';
import { run } from './exec.ts';
import { readText, writeAtomic } from './files.ts';

/** Where the server's own folder is when the caller's cannot be entered by the server's user. */
export const SHARED_PLACE = '/var/lib/towpath';

export interface Place {
  /** Holds data/ and server.log; belongs to the server's user. */
  readonly home: string;
  readonly as: RunAs | undefined;
}

/**
 * Where the data is, or goes. As root the server runs as another user, and `dir` may be closed to it
 * (under /root, or .towpath with mode 0700): then it lives under /var/lib/towpath/<hash of dir>, and
 * `<dir>/place` says so, so that it is found again whatever the modes are later.
 */
export async function findPlace(dir: string): Promise<Place> {
  const as = await serverUser();
  const note = path.join(dir, 'place');
  const recorded = (await readText(note))?.trim();
  if (recorded !== undefined && recorded !== '') return { home: recorded, as };
  let home = path.join(dir, 'server');
  if (as !== undefined && !(await canEnter(dir, as))) {
    home = path.join(SHARED_PLACE, createHash('sha256').update(path.resolve(dir)).digest('hex').slice(0, 16));
    // Others may pass through to what they own, and list nothing.
    await mkdir(SHARED_PLACE, { recursive: true, mode: 0o711 });
  }
  await mkdir(home, { recursive: true, mode: 0o700 });
  await chmod(home, 0o700);
  if (as !== undefined) await chown(home, as.uid, as.gid);
  await writeAtomic(note, `${home}\n`);
  return { home, as };
}

/** Postgres refuses to run as root: then an unprivileged user that exists (initdb looks it up). */
async function serverUser(): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [, , uid, gid] = users.find((fields) => fields[0] === name) ?? [];
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new TowpathError('postgres.no_user', 'Postgres cannot run as root, and there is no user postgres or nobody', {
    remedy: 'fix-input',
    hint: 'create one: useradd --system postgres',
  });
}

/** Asks the kernel instead of reading modes: ACLs and mounts count too. */
async function canEnter(dir: string, as: RunAs): Promise<boolean> {
  return (await run({ argv: ['test', '-x', dir], cwd: '/', timeoutMs: 10_000, ...as })).code === 0;
}
