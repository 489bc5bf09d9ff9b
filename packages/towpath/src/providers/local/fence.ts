import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Fence, Scope } from '../../kernel/index.ts';
import { hasCode } from '../../system/index.ts';
import { fenced } from '../errors.ts';
import { explainWriteError, type Places } from './places.ts';

export interface Gate {
  /**
   * Notes the epoch as seen. Everything here is synchronous, so that nothing comes between the check
   * and what it guards.
   * @throws TowpathError `lease.fenced`, `provider.disk_full`
   */
  admit(scope: Scope, fence: Fence): void;
  /** @throws TowpathError `lease.fenced` when a higher epoch was seen since */
  check(scope: Scope, fence: Fence): void;
}

/**
 * The highest epoch is kept as an empty file named by it. Making one is atomic and never lowers the
 * highest, also when two controllers do it at once; a number inside one file could be overwritten by
 * the slower one.
 */
export function createGate(places: Places): Gate {
  const highest = (scope: Scope): number => {
    try {
      return readdirSync(places.fence(scope)).reduce((max, name) => Math.max(max, Number(name) || 0), 0);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return 0;
      throw error;
    }
  };
  const check = (scope: Scope, fence: Fence): void => {
    const seen = highest(scope);
    if (fence.epoch < seen) throw fenced(scope, fence, seen);
  };
  return {
    check,
    admit(scope, fence) {
      const seen = highest(scope);
      if (fence.epoch < seen) throw fenced(scope, fence, seen);
      if (fence.epoch === seen) return;
      const dir = places.fence(scope);
      try {
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        writeFileSync(path.join(dir, String(fence.epoch)), '', { mode: 0o600 });
      } catch (error) {
        throw explainWriteError(error, dir);
      }
      if (seen > 0) rmSync(path.join(dir, String(seen)), { force: true });
      check(scope, fence);
    },
  };
}
