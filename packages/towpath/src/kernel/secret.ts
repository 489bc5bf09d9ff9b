import { inspect } from 'node:util';

/** A secret cannot print itself. `.reveal()` is the only way out: grep for it to audit every use. */
export class Secret {
  readonly #value: string;
  readonly name: string;
  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return `[secret ${this.name}]`;
  }
  toJSON(): string {
    return this.toString();
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
