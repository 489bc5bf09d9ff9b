/** One SQL file of the app. */
export interface Migration {
  readonly name: string;
  /** Of the text with LF line ends, so that a checkout on Windows is the same file. */
  readonly sha256: string;
  readonly sql: string;
  /** false: `-- towpath: no-transaction` stands in its first comment lines. Holds one statement then. */
  readonly transactional: boolean;
}

/** A row of the history in the app's database. */
export interface AppliedRow {
  readonly name: string;
  readonly sha256: string;
  /** `running`: without a transaction, begun and not known to have ended. */
  readonly state: 'running' | 'done';
}

export interface Pending {
  readonly files: readonly Migration[];
  /** For people: what is unusual but allowed. */
  readonly notes: readonly string[];
}

export interface AppliedNow {
  readonly name: string;
  readonly sha256: string;
  readonly ms: number;
  readonly attempts: number;
}

/** Who held a lock that we wanted. */
export interface Blocker {
  readonly pid: number;
  readonly application: string;
  readonly state: string;
  /** Trimmed to 120 characters. */
  readonly query: string;
  /** Begin of its transaction, ISO 8601. */
  readonly since: string;
}
