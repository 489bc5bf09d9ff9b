import path from 'node:path';
import type { Source } from '@towpath/wire';
import { createArtifacts } from '../artifacts/index.ts';
import { loadConfig, type LoadedConfig } from '../config/index.ts';
import { TowpathError } from '../kernel/index.ts';
import { readMigrations } from '../migrations/index.ts';
import type { Builder, RolloutSource } from '../release/index.ts';
import { run, systemClock, type Log } from '../system/index.ts';
import type { Layout } from './layout.ts';

/** Connects a rollout's build with the artifact store and the config that lies in the source. */
export function createBuilder(layout: Layout, log: Log, env: Readonly<Record<string, string | undefined>>): Builder {
  const artifacts = createArtifacts({
    dir: layout.artifacts,
    run,
    environment: env,
    elapsed: systemClock.elapsed,
  });
  return {
    async build(source, signal) {
      let loaded: LoadedConfig | undefined;
      const artifact = await artifacts.build({
        source,
        // The config that counts is the one in the source, which may be of another commit than the folder's.
        async rules(dir) {
          loaded = await loadConfig(dir, { signal });
          return loaded.config.build;
        },
        onProgress: (line) => log.info('build', { line }),
        signal,
      });
      // A build command may write what the config reads; without one it says the same as a moment ago.
      if (loaded === undefined || loaded.config.build.command !== undefined) {
        loaded = await loadConfig(artifact.location, { signal });
      }
      const { config, hash } = loaded;
      const migrations =
        config.migrations === undefined
          ? []
          : await readMigrations(path.join(artifact.location, config.migrations.dir));
      return {
        artifact: artifact.digest,
        location: artifact.location,
        config,
        configHash: hash,
        migrations: migrations.map(({ name, sha256 }) => ({ name, sha256 })),
        ms: artifact.ms,
      };
    },
    async verify(digest) {
      await artifacts.verify(digest);
    },
  };
}

/** Names a source exactly: a commit by its full hash, a folder by its path. */
export async function resolveSource(source: Source): Promise<RolloutSource> {
  if (source.kind === 'release') return source;
  if (source.kind === 'directory') return { ...source, ref: source.dir };
  const asked = await run({
    argv: ['git', 'rev-parse', '--verify', '--quiet', '--end-of-options', `${source.commit}^{commit}`],
    cwd: source.dir,
    timeoutMs: 10_000,
  });
  if (asked.code !== 0) {
    throw new TowpathError('artifact.unknown_commit', `${source.dir} has no commit ${source.commit}`, {
      remedy: 'fix-input',
      hint: 'give a commit, branch or tag of that repository (git log shows them); fetch it first if it is elsewhere',
    });
  }
  const commit = asked.stdout.trim();
  return { ...source, commit, ref: commit };
}
