/** What the CLI asks of the composition root: the process it runs in, and the local environment. */

/** A stream of the terminal. */
export interface Output {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Undefined when it is no terminal. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

export interface LocalOptions {
  /** The folder that holds the config file. */
  readonly root: string;
  /** The config file, when it is not `towpath.config.ts` in the root. */
  readonly file?: string;
  readonly environment: string;
  /** Called with each thing as it is done, in a sentence for people. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface UpAnswer {
  /** What this call has started (`postgres`, `control plane`, `router`); empty when all of it ran. */
  readonly started: readonly string[];
  /** What ran before. */
  readonly running: readonly string[];
  readonly url: string | null;
}

export interface DownAnswer {
  readonly stopped: readonly string[];
}

export interface CliNeeds {
  /** Of the package. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Calls back on Ctrl-C, in place of ending the process. @returns takes the listener off again */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Starts Postgres, control plane and router of the local environment; what runs is left alone. */
  up(options: LocalOptions): Promise<UpAnswer>;
  /** Stops what `up` started, instances included. Nothing running is a success. */
  down(options: LocalOptions): Promise<DownAnswer>;
  /** The control plane in the foreground, until the signal. */
  serve(options: LocalOptions): Promise<void>;
}
