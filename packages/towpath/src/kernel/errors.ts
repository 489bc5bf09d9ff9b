import { randomBytes } from 'node:crypto';

/**
 * What the caller should do about an error. The engine acts on this alone:
 * `retry` the same thing later, `undo` what was begun, `halt` and ask a person, or `fix-input`.
 */
export type Remedy = 'retry' | 'undo' | 'halt' | 'fix-input';

export interface ErrorOptions {
  readonly remedy: Remedy;
  /** The next command or edit, as an instruction. */
  readonly hint: string;
  readonly cause?: unknown;
  /** Facts for `--json`; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The wire form of an error; also what `--json` prints under `error`. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly remedy: Remedy;
  /** The same id stands in the control plane's log. */
  readonly id: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error class. `code` is `module.snake_case`, safe to log and to count. */
export class TowpathError extends Error {
  readonly code: string;
  readonly remedy: Remedy;
  readonly hint: string;
  readonly id: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, message: string, options: ErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TowpathError';
    this.code = code;
    this.remedy = options.remedy;
    this.hint = options.hint;
    this.details = options.details;
    this.id = randomBytes(4).toString('hex');
  }

  toJSON(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      remedy: this.remedy,
      id: this.id,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** Anything thrown, as a TowpathError; what we did not foresee is `internal.unexpected`. */
export function asTowpathError(thrown: unknown): TowpathError {
  if (thrown instanceof TowpathError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new TowpathError('internal.unexpected', message, {
    remedy: 'halt',
    hint: 'this is a defect in Towpath: please report it with the lines around its id in .towpath/logs/control.log',
    cause: thrown,
  });
}
