import { readText, writeAtomic } from '../system/index.ts';
import type { Head } from './row.ts';

/**
 * The ledger's head, kept outside of its database. Whoever can write to the database can cut off the
 * end of the ledger and correct its head; the anchor still shows it.
 */
export interface Anchor {
  /** Takes note of a new head; never fails and never waits. */
  write(head: Head): void;
  /** The head last written by this or an earlier process. */
  read(): Promise<Head | undefined>;
  /** Writes what is still pending. */
  flush(): Promise<void>;
}

/**
 * An anchor in a file, replaced atomically, at most once each `everyMs`.
 * @param options.onError told when the file cannot be written; the ledger goes on without it
 */
export function fileAnchor(
  file: string,
  options: { readonly everyMs: number; readonly onError: (error: unknown) => void },
): Anchor {
  let newest: Head = { seq: 0, hash: '' };
  let written = 0;
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const flush = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    await writing;
    const head = newest;
    if (head.seq <= written) return;
    writing = writeAtomic(file, `${JSON.stringify(head)}\n`).then(
      () => {
        written = Math.max(written, head.seq);
      },
      (error: unknown) => options.onError(error),
    );
    await writing;
    writing = undefined;
  };

  return {
    write(head) {
      // Appends that commit together may report in any order.
      if (head.seq <= newest.seq) return;
      newest = { seq: head.seq, hash: head.hash };
      if (timer !== undefined) return;
      timer = setTimeout(() => void flush(), options.everyMs);
      timer.unref();
    },
    async read() {
      await flush();
      const text = await readText(file);
      if (text === undefined) return undefined;
      // A file that cannot be understood is a finding, not a crash: no row has this hash.
      let head: unknown;
      try {
        head = JSON.parse(text);
      } catch {
        head = undefined;
      }
      return isHead(head) ? head : { seq: 1, hash: 'unreadable' };
    },
    flush,
  };
}

function isHead(value: unknown): value is Head {
  return (
    typeof value === 'object' &&
    value !== null &&
    'seq' in value &&
    typeof value.seq === 'number' &&
    'hash' in value &&
    typeof value.hash === 'string'
  );
}
