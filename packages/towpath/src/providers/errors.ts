import { scopeKey, TowpathError, type Fence, type Remedy, type Scope } from '../kernel/index.ts';

const make =
  (code: string, remedy: Remedy, hint: string) =>
  (message: string, cause?: unknown): TowpathError =>
    new TowpathError(code, message, { remedy, hint, ...(cause === undefined ? {} : { cause }) });

/** The provider asks us to slow down. */
export const busy = make('provider.busy', 'retry', 'it is tried again by itself, more slowly');

/** The answer was lost: the thing may or may not have been done. */
export const uncertain = make('provider.uncertain', 'retry', 'look at what is there before trying again');

export const unreachable = make('provider.unreachable', 'retry', 'it is tried again; nothing was changed');

/** An instance that outlived even being killed. */
export const stuck = make('provider.stuck', 'retry', 'stop it again; when it stays, look at the machine it runs on');

export const gone = make('provider.gone', 'undo', 'see `towpath status` for what runs; nothing was changed');

/** A mutation by a controller that is no longer the one. */
export function fenced(scope: Scope, fence: Fence, seen: number): TowpathError {
  return new TowpathError(
    'lease.fenced',
    `epoch ${fence.epoch} of ${scopeKey(scope)} is over: epoch ${seen} acts now; nothing was changed`,
    {
      remedy: 'halt',
      hint: 'another controller has taken over; `towpath status` asks it',
      details: { epoch: fence.epoch, seen },
    },
  );
}

/** Whether a thrown thing is the error of that code. */
export function hasErrorCode(thrown: unknown, code: string): boolean {
  return thrown instanceof TowpathError && thrown.code === code;
}
