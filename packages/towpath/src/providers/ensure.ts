import { TowpathError, type Fence, type Role, type Scope } from '../kernel/index.ts';
import { sleep, systemClock, type Clock } from '../system/index.ts';
import type { Instance, InstanceSpec, Provider } from './contract.ts';
import { uncertain } from './errors.ts';

export interface EnsureOptions {
  /** How long it keeps trying a provider that is busy or out of reach, in milliseconds; 2 minutes if not said. */
  readonly withinMs?: number;
  /** The first pause between tries, in milliseconds; it doubles up to 25 times that. 200 if not said. */
  readonly pauseMs?: number;
  readonly clock?: Clock;
}

const WITHIN_MS = 120_000;
const PAUSE_MS = 200;
const LONGEST_PAUSE = 25;
/** Node's timers may fire up to a millisecond early. */
const TIMER_SLACK_MS = 2;

/**
 * Makes sure that exactly one instance carries the spec's token, and returns it in whatever state it is:
 * a token names one instance for ever, so a failed one is not made anew. Finds it by listing, else
 * creates it. After a creation, or a lost answer, it waits out the provider's list lag and looks again,
 * because a controller before us may have made one that we could not see yet; of duplicates the
 * oldest stays. A duplicate of one that was there already, made so recently that lists do not show it,
 * is found by the next call.
 * @throws TowpathError what the provider refuses; the last `retry` error when `withinMs` is over
 */
export async function ensureInstance(
  provider: Provider,
  spec: InstanceSpec,
  fence: Fence,
  signal: AbortSignal,
  options: EnsureOptions = {},
): Promise<Instance> {
  const patience = patient(options, signal);
  let made: Instance | undefined;
  for (;;) {
    const all = await patience.keepTrying(() => provider.list(spec.scope, signal));
    const found = all.filter((instance) => instance.token === spec.token).sort(byAge);
    const id = made?.id;
    if (id !== undefined && found.every((instance) => instance.id !== id)) {
      // The list lags longer than promised: what else does it not show? Asking by id tells whether ours is there.
      const ours = await patience.keepTrying(() => provider.get(spec.scope, id, signal));
      if (ours !== undefined) {
        await patience.pause(uncertain(`${provider.name} made ${spec.token} as ${id} but does not list it`));
        continue;
      }
    }
    const [oldest, ...younger] = found;
    if (oldest !== undefined) {
      for (const extra of younger) await ensureDestroyed(provider, spec.scope, extra.id, fence, signal, options);
      return oldest;
    }
    try {
      made = await provider.create(spec, fence, signal);
    } catch (error) {
      await patience.pause(error);
    }
    const lag = provider.limits.listLagMs;
    if (lag > 0) await sleep(lag + TIMER_SLACK_MS, signal);
  }
}

/** Tells an instance its role, as often as it takes; the acknowledgement is another matter. Errors as `ensureInstance`. */
export async function ensureRole(
  provider: Provider,
  instance: { readonly scope: Scope; readonly id: string; readonly role: Role },
  fence: Fence,
  signal: AbortSignal,
  options: EnsureOptions = {},
): Promise<void> {
  const { scope, id, role } = instance;
  await patient(options, signal).keepTrying(() => provider.setRole(scope, id, role, fence, signal));
}

/** Looks until the provider answers. Errors as `ensureInstance`. */
export function patientLooks(provider: Provider, scope: Scope, options: EnsureOptions = {}) {
  return {
    list: (signal: AbortSignal) => patient(options, signal).keepTrying(() => provider.list(scope, signal)),
    get: (id: string, signal: AbortSignal) =>
      patient(options, signal).keepTrying(() => provider.get(scope, id, signal)),
  };
}

/** Makes sure the instance is gone, and looks that it is. Errors as `ensureInstance`. */
export async function ensureDestroyed(
  provider: Provider,
  scope: Scope,
  id: string,
  fence: Fence,
  signal: AbortSignal,
  options: EnsureOptions = {},
): Promise<void> {
  const patience = patient(options, signal);
  for (;;) {
    await patience.keepTrying(() => provider.destroy(scope, id, fence, signal));
    const after = await patience.keepTrying(() => provider.get(scope, id, signal));
    if (after === undefined) return;
    await patience.pause(uncertain(`instance ${id} is still there after it was destroyed`));
  }
}

/** The oldest first; of equals (wall clocks may jump) always the same one. */
function byAge(a: Instance, b: Instance): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}

/** Repeats what may be repeated, with pauses that double, until the time is over. */
function patient(options: EnsureOptions, signal: AbortSignal) {
  const clock = options.clock ?? systemClock;
  const deadline = clock.elapsed() + (options.withinMs ?? WITHIN_MS);
  const first = options.pauseMs ?? PAUSE_MS;
  let next = first;
  const pause = async (error: unknown): Promise<void> => {
    signal.throwIfAborted();
    const again = error instanceof TowpathError && error.remedy === 'retry';
    if (!again || clock.elapsed() + next > deadline) throw error;
    await sleep(next, signal);
    next = Math.min(next * 2, first * LONGEST_PAUSE);
  };
  return {
    pause,
    async keepTrying<T>(work: () => Promise<T>): Promise<T> {
      for (;;) {
        signal.throwIfAborted();
        try {
          const answer = await work();
          next = first;
          return answer;
        } catch (error) {
          await pause(error);
        }
      }
    },
  };
}
