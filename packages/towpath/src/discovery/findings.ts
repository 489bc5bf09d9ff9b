/** One thing that was found and what it was used for. */
export interface Finding {
  /** The file. */
  readonly where: string;
  readonly what: string;
  readonly usedFor: string;
}

/** One thing that could not be told, and what the config says in its place. */
export interface Unknown {
  readonly what: string;
  readonly assumed: string;
  /** The app will not start as the config stands. */
  readonly blocking: boolean;
}

/** Where a search writes down what it saw. */
export interface Notes {
  readonly found: Finding[];
  readonly unknown: Unknown[];
}

/** A value with the reason it stands in the config. */
export interface Reasoned<T> {
  readonly value: T;
  readonly because: string;
}
