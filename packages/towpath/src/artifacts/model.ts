import type { Command, Executed } from '../system/index.ts';

export type BuildSource =
  | { readonly kind: 'commit'; readonly dir: string; readonly commit: string }
  | { readonly kind: 'directory'; readonly dir: string };

/** The `build` section of the config. */
export interface BuildRules {
  readonly command?: string | undefined;
  /** Milliseconds for all of it. */
  readonly timeout: number;
  readonly exclude: readonly string[];
}

export interface BuildRequest {
  readonly source: BuildSource;
  /** Read from the source once it is laid out in a folder. */
  readonly rules: (dir: string) => Promise<BuildRules>;
  /** One line for people at each phase. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Artifact {
  readonly digest: string;
  /** The folder to run in; nothing in it may change. */
  readonly location: string;
  /** The full commit hash, or the folder. */
  readonly ref: string;
  readonly ms: number;
  /** It was there already, byte for byte. */
  readonly reused: boolean;
  /** The dependencies came from the cache. */
  readonly cached: boolean;
}

export interface StoredArtifact {
  readonly digest: string;
  readonly location: string;
  /** ms since the epoch */
  readonly createdAt: number;
}

export interface ArtifactNeeds {
  /** Holds the artifacts by digest, `layers/` with dependencies, and `work/`. One filesystem. */
  readonly dir: string;
  /** Runs a command to its end. */
  readonly run: (command: Command, signal?: AbortSignal) => Promise<Executed>;
  /** The caller's environment; only what npm and a build need is passed on, never secrets. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly elapsed: () => number;
}

export interface Artifacts {
  /**
   * @throws TowpathError `artifact.no_source`, `artifact.unknown_commit`, `artifact.no_lockfile`,
   * `artifact.lockfile_unsupported`, `artifact.link_outside`, `artifact.build_failed`,
   * `artifact.build_timeout`, `artifact.disk_full`
   */
  build(request: BuildRequest): Promise<Artifact>;
  /** Reads every byte again. @throws TowpathError `artifact.corrupt`, `artifact.missing` */
  verify(digest: string): Promise<string>;
  list(): Promise<readonly StoredArtifact[]>;
  /** Unknown ones are a success. @throws TowpathError `artifact.in_use` */
  remove(digest: string, inUse: readonly string[]): Promise<void>;
}
