import { statSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import { parseControl, readIfThere, type Control } from './protocol.ts';

/** fs.watch misses changes on some file systems; a stat this often bounds the delay. */
const LOOK_EVERY_MS = 250;

export interface ControlWatch {
  /** The newest control seen; undefined until the file appears. */
  current(): Control | undefined;
  /** While held, watching keeps the process alive: someone waits for a change. */
  hold(): void;
  release(): void;
  close(): void;
}

/**
 * Follows a control file that is replaced atomically. Calls `changed` for every control that differs
 * from the one before; a lower epoch than one seen is ignored, it comes from a controller that was
 * replaced. `looked` runs after every look.
 */
export function watchControl(
  file: string,
  on: { readonly changed: () => void; readonly looked: () => void; readonly problem: (message: string) => void },
): ControlWatch {
  let current: Control | undefined;
  let stamp = '';

  const look = (): boolean => {
    try {
      const facts = statSync(file, { bigint: true, throwIfNoEntry: false });
      const seen = facts === undefined ? '' : `${facts.ino}:${facts.mtimeNs}:${facts.size}`;
      if (seen === stamp) return false;
      const text = readIfThere(file);
      // A role file that was taken away says nothing new: the last word stays.
      if (text === undefined) return false;
      stamp = seen;
      const next = parseControl(text);
      if (next === undefined) {
        on.problem(`${file} is not a control file; keeping the role it had`);
        return false;
      }
      if (current !== undefined && next.epoch < current.epoch) return false;
      const isNew = next.role !== current?.role;
      current = next;
      return isNew;
    } catch (error) {
      on.problem(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  };

  const lookAndTell = (): void => {
    if (look()) on.changed();
    on.looked();
  };

  look();
  const timer = setInterval(lookAndTell, LOOK_EVERY_MS).unref();
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(path.dirname(file), { persistent: false }, (_event, name) => {
      if (name === null || name === path.basename(file)) lookAndTell();
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // The folder is not there yet, or watches have run out: the timer alone does it, a little later.
  }

  let holders = 0;
  return {
    current: () => current,
    hold() {
      if (++holders === 1) timer.ref();
    },
    release() {
      if (--holders === 0) timer.unref();
    },
    close() {
      clearInterval(timer);
      watcher?.close();
    },
  };
}
