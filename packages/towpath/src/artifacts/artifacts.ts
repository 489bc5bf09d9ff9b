import { randomBytes } from 'node:crypto';
import { chmod, readdir, rename, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TowpathError } from '../kernel/index.ts';
import { ensureDir, hasCode, identify, isAlive, readText } from '../system/index.ts';
import { installDependencies } from './dependencies.ts';
import type { Artifact, ArtifactNeeds, Artifacts, BuildRequest } from './model.ts';
import { layOut } from './source.ts';
import { createTools, explainDisk } from './tools.ts';
import { digestOf, removeTree, walk } from './tree.ts';

const DIGEST = /^[0-9a-f]{64}$/;

/** Milliseconds to lay the source out. */
const SOURCE_MS = 120_000;

/** Immutable, content-addressed folders that releases run in. */
export function createArtifacts(needs: ArtifactNeeds): Artifacts {
  const root = path.resolve(needs.dir);
  const work = path.join(root, 'work');
  const layers = path.join(root, 'layers');
  const locationOf = (digest: string): string => path.join(root, digest);

  const verify = async (digest: string): Promise<string> => {
    const location = locationOf(digest);
    if (!DIGEST.test(digest) || !(await isFolder(location))) {
      throw new TowpathError('artifact.missing', `there is no artifact ${digest}`, {
        remedy: 'fix-input',
        hint: 'deploy its commit again: the same source gives the same artifact',
      });
    }
    const now = await digestOf(location, { seal: false });
    if (now.digest === digest) return location;
    throw new TowpathError('artifact.corrupt', `${location} is not what was built: its digest is now ${now.digest}`, {
      remedy: 'fix-input',
      hint: `something wrote into it (an app that writes to its own folder?); remove the folder and deploy its commit again`,
      details: { expected: digest, found: now.digest },
    });
  };

  const build = async (request: BuildRequest): Promise<Artifact> => {
    const started = needs.elapsed();
    const progress = request.onProgress ?? (() => {});
    const stage = path.join(work, `${process.pid}-${randomBytes(4).toString('hex')}`);
    const app = path.join(stage, 'app');
    try {
      await ensureDir(work);
      await sweep(work);
      await ensureDir(stage);
      await writeFile(path.join(stage, 'owner.json'), JSON.stringify(identify(process.pid)));
      progress(
        request.source.kind === 'commit' ? `source of ${request.source.commit}` : `source of ${request.source.dir}`,
      );
      const ref = await layOut(request.source, app, createTools(needs, SOURCE_MS, request.signal));
      const { command, timeout, exclude } = await request.rules(app);
      const tools = createTools(needs, timeout, request.signal);
      const installed = await installDependencies(app, layers, command === undefined ? 'production' : 'full', tools);
      progress(installed.cached ? 'dependencies from the cache' : 'dependencies installed');
      if (command !== undefined) {
        progress(`build: ${command}`);
        await tools.must('the build', ['sh', '-c', command], app);
        await installed.prune();
      }
      request.signal?.throwIfAborted();
      await dropExcluded(app, exclude);
      const { digest } = await digestOf(app, { seal: true });
      const reused = await place(app, locationOf(digest), () => verify(digest));
      progress(`artifact ${digest.slice(0, 12)}${reused ? ', as built before' : ''}`);
      return {
        digest,
        location: locationOf(digest),
        ref,
        ms: needs.elapsed() - started,
        reused,
        cached: installed.cached,
      };
    } catch (error) {
      throw explainDisk(error);
    } finally {
      await removeTree(stage).catch(() => {
        // A process of the build may still write; the next build sweeps it away.
      });
    }
  };

  return {
    build,
    verify,
    async list() {
      const names = (await readdir(root).catch(() => [])).filter((name) => DIGEST.test(name));
      return await Promise.all(
        names.map(async (digest) => ({
          digest,
          location: locationOf(digest),
          createdAt: Math.round((await stat(locationOf(digest))).mtimeMs),
        })),
      );
    },
    async remove(digest, inUse) {
      if (inUse.includes(digest)) {
        throw new TowpathError(
          'artifact.in_use',
          `artifact ${digest.slice(0, 12)} belongs to a release that may run again`,
          {
            remedy: 'fix-input',
            hint: 'retire the release first',
          },
        );
      }
      if (!DIGEST.test(digest)) return;
      // Moved away first, so that a crash in the middle never leaves half an artifact under its name.
      const aside = path.join(work, `removed-${randomBytes(4).toString('hex')}`);
      await ensureDir(work);
      try {
        await chmod(locationOf(digest), 0o755);
        await rename(locationOf(digest), aside);
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return;
        throw error;
      }
      await removeTree(aside);
    },
  };
}

/** Moves a finished tree to its place at once. @returns whether the same was there already */
async function place(app: string, location: string, verify: () => Promise<unknown>): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    if (!(await isFolder(location))) {
      try {
        await rename(app, location);
        // Nothing may be added to it either; the top folder is enough to stop the usual app.
        await chmod(location, 0o555);
        return false;
      } catch (error) {
        // The same build by someone else was a moment faster.
        if (!hasCode(error, 'ENOTEMPTY', 'EEXIST') || attempt > 3) throw error;
      }
    }
    try {
      await verify();
      return true;
    } catch (error) {
      if (!(error instanceof TowpathError) || attempt > 3) throw error;
      // What lies there is damaged: a new one of the same name takes its place.
      const aside = `${app}.damaged`;
      await chmod(location, 0o755);
      await rename(location, aside).catch(() => {});
    }
  }
}

async function dropExcluded(app: string, patterns: readonly string[]): Promise<void> {
  if (patterns.length === 0) return;
  const matches = (at: string): boolean =>
    patterns.some((raw) => {
      const pattern = raw.replace(/^\.\//, '').replace(/\/+$/, '');
      return path.matchesGlob(at, pattern) || path.matchesGlob(at, `${pattern}/**`);
    });
  for (const entry of await walk(app, (at) => at !== 'node_modules')) {
    if (!matches(entry.path)) continue;
    await removeTree(path.join(app, entry.path));
    // The folders that are empty now; rmdir refuses the first that is not.
    for (let dir = path.dirname(entry.path); dir !== '.'; dir = path.dirname(dir)) {
      const emptied = await rmdir(path.join(app, dir)).then(
        () => true,
        () => false,
      );
      if (!emptied) break;
    }
  }
}

/** Removes what killed builds have left: their owner is named in the folder, and is dead. */
async function sweep(work: string): Promise<void> {
  for (const name of await readdir(work)) {
    const stage = path.join(work, name);
    const owner = await readText(path.join(stage, 'owner.json')).catch(() => undefined);
    if (owner !== undefined && ownerLives(owner)) continue;
    // Without an owner it may be another build's that begins right now: its pid is in the name.
    const pid = Number(/^(\d+)-/.exec(name)?.[1]);
    if (owner === undefined && pid > 0 && identify(pid) !== undefined) continue;
    await removeTree(stage).catch(() => {});
  }
}

function ownerLives(text: string): boolean {
  try {
    const owner: unknown = JSON.parse(text);
    if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('started' in owner)) return false;
    return isAlive({ pid: Number(owner.pid), started: String(owner.started) });
  } catch {
    return false;
  }
}

const isFolder = async (dir: string): Promise<boolean> =>
  await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  );
