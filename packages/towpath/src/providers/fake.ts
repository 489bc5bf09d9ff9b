import { TowpathError, scopeKey, type Fence, type Role, type Scope } from '../kernel/index.ts';
import { sleep, systemClock, type Clock } from '../system/index.ts';
import type { Acknowledged, ExitFact, Instance, InstanceSpec, LogLine, Provider } from './contract.ts';
import { busy, fenced, gone, stuck, uncertain, unreachable } from './errors.ts';

/** How the fake misbehaves, as Fly does on its bad days. Rates are 0 to 1; the same seed, the same day. */
export interface FakeMood {
  /** Lists miss what was made this recently, in milliseconds. */
  readonly listLagMs?: number;
  /** Share of mutations refused with `provider.busy` (429) before they did anything. */
  readonly busyRate?: number;
  /** At most so many mutations a second, then `provider.busy`. */
  readonly mutationsPerSecond?: number;
  /** Share of calls that never arrive. */
  readonly unreachableRate?: number;
  /** Share of mutations whose answer is lost; half of them were done, half were not. */
  readonly loseAnswers?: number;
  /** Share of creations that make two. */
  readonly duplicateRate?: number;
  /** Share of created instances that come up as `failed`. */
  readonly failRate?: number;
  /** So many stops of each instance leave it `stopping` and say `provider.stuck`. */
  readonly stuckStops?: number;
  /** Milliseconds an instance is `starting`. */
  readonly startMs?: number;
}

export interface FakeOptions extends FakeMood {
  readonly name?: string;
  readonly seed?: number;
  readonly clock?: Clock;
  /** Whether instances acknowledge a role as soon as they are told; true when not said. */
  readonly obedient?: boolean;
  /** Where a web instance listens; a made-up port when not said. */
  readonly address?: (spec: InstanceSpec, index: number) => { readonly host: string; readonly port: number };
}

export interface FakeProvider extends Provider {
  /** What there really is, whatever lists say. */
  world(scope: Scope): readonly Instance[];
  /** Every call that arrived, in order, as `create r1.web.0`, `stop <id>`. */
  readonly calls: readonly string[];
  /** From now on. */
  setMood(mood: FakeMood): void;
  setReady(id: string, ready: boolean): void;
  isReady(id: string): boolean;
  /** It ends by itself; restarted at once when its policy says so. */
  crash(id: string, exit: Omit<ExitFact, 'at'>): void;
  /** It ended too often. */
  fail(id: string): void;
  acknowledge(id: string, said: Omit<Acknowledged, 'at'>): void;
  write(id: string, stream: 'out' | 'err', line: string): void;
}

interface Made {
  readonly spec: InstanceSpec;
  readonly id: string;
  readonly createdAt: number;
  readonly listedFrom: number;
  readonly startedFrom: number;
  readonly address?: { readonly host: string; readonly port: number };
  state: 'up' | 'stopping' | 'stopped' | 'failed';
  role: Role;
  acknowledged: Acknowledged | undefined;
  lastExit: ExitFact | undefined;
  restarts: number;
  stops: number;
  ready: boolean;
  readonly lines: LogLine[];
}

const FOLLOW_MS = 5;

/** A provider in memory that passes the contract suite in every mood. */
export function createFakeProvider(options: FakeOptions = {}): FakeProvider {
  const clock = options.clock ?? systemClock;
  const random = seeded(options.seed ?? 1);
  const machines = new Map<string, Made>();
  const epochs = new Map<string, number>();
  const calls: string[] = [];
  const recent: number[] = [];
  let mood: FakeMood = options;
  let count = 0;
  const chance = (rate: number | undefined): boolean => rate !== undefined && rate > 0 && random() < rate;

  const admit = (scope: Scope, fence: Fence): void => {
    const seen = epochs.get(scopeKey(scope)) ?? 0;
    if (fence.epoch < seen) throw fenced(scope, fence, seen);
    epochs.set(scopeKey(scope), fence.epoch);
  };

  const limit = (): void => {
    const now = clock.elapsed();
    while (recent[0] !== undefined && now - recent[0] > 1000) recent.shift();
    const full = mood.mutationsPerSecond !== undefined && recent.length >= mood.mutationsPerSecond;
    if (full || chance(mood.busyRate)) throw busy('429: slow down');
    recent.push(now);
  };

  const read = (signal: AbortSignal): void => {
    signal.throwIfAborted();
    if (chance(mood.unreachableRate)) throw unreachable('connection reset');
  };

  /** A mutation on its way there and back. */
  const mutate = async <T>(
    call: string,
    scope: Scope,
    fence: Fence,
    signal: AbortSignal,
    work: () => T,
  ): Promise<T> => {
    signal.throwIfAborted();
    admit(scope, fence);
    if (chance(mood.unreachableRate)) throw unreachable('connection refused');
    limit();
    const lost = chance(mood.loseAnswers);
    if (lost && random() < 0.5) throw uncertain(`no answer to ${call}`);
    // The network takes its time; the world may change meanwhile.
    await sleep(1, signal);
    admit(scope, fence);
    calls.push(call);
    const done = work();
    if (lost) throw uncertain(`no answer to ${call}`);
    return done;
  };

  const find = (scope: Scope, id: string): Made | undefined => {
    const made = machines.get(id);
    return made !== undefined && scopeKey(made.spec.scope) === scopeKey(scope) ? made : undefined;
  };
  const known = (id: string): Made => {
    const made = machines.get(id);
    if (made === undefined) throw gone(`the fake has no ${id}`);
    return made;
  };
  const inScope = (scope: Scope): Made[] =>
    [...machines.values()].filter(({ spec }) => scopeKey(spec.scope) === scopeKey(scope));

  const make = (spec: InstanceSpec): Made => {
    const index = count++;
    const now = clock.elapsed();
    const address =
      spec.kind === 'web'
        ? (options.address?.(spec, index) ?? { host: '127.0.0.1', port: spec.port || 9000 + index })
        : undefined;
    const made: Made = {
      spec,
      // Ids that do not sort by age, as Fly's.
      id: `${Math.floor(random() * 0xffff_ffff).toString(16)}-${index}`,
      createdAt: clock.now() + index / 1000,
      listedFrom: now + (mood.listLagMs ?? 0),
      startedFrom: now + (mood.startMs ?? 0),
      ...(address === undefined ? {} : { address }),
      state: chance(mood.failRate) ? 'failed' : 'up',
      role: spec.role,
      acknowledged: undefined,
      lastExit: undefined,
      restarts: 0,
      stops: 0,
      ready: false,
      lines: [],
    };
    if (options.obedient ?? true) made.acknowledged = { role: spec.role, inFlight: 0, ready: true, at: clock.now() };
    machines.set(made.id, made);
    return made;
  };

  const view = (made: Made): Instance => ({
    id: made.id,
    token: made.spec.token,
    release: made.spec.release,
    group: made.spec.group,
    kind: made.spec.kind,
    state: made.state !== 'up' ? made.state : clock.elapsed() < made.startedFrom ? 'starting' : 'running',
    role: made.role,
    artifactDigest: made.spec.artifact.digest,
    restarts: made.restarts,
    createdAt: made.createdAt,
    ...(made.acknowledged === undefined ? {} : { acknowledged: made.acknowledged }),
    ...(made.address === undefined ? {} : { address: made.address }),
    ...(made.lastExit === undefined ? {} : { lastExit: made.lastExit }),
  });

  const endIt = (made: Made, done: () => void): void => {
    if (made.state === 'up' || made.state === 'stopping') {
      if (made.stops++ < (mood.stuckStops ?? 0)) {
        made.state = 'stopping';
        throw stuck(`${made.id} is still stopping`);
      }
      made.lastExit = { reason: 'requested', at: clock.now() };
    }
    made.state = 'stopped';
    made.ready = false;
    done();
  };

  return {
    name: options.name ?? 'fake',
    get limits() {
      return {
        listLagMs: mood.listLagMs ?? 0,
        ...(mood.mutationsPerSecond === undefined ? {} : { mutationsPerSecond: mood.mutationsPerSecond }),
      };
    },
    calls,
    async list(scope, signal) {
      read(signal);
      const now = clock.elapsed();
      return inScope(scope)
        .filter(({ listedFrom }) => listedFrom <= now)
        .map(view);
    },
    async get(scope, id, signal) {
      read(signal);
      const made = find(scope, id);
      return made === undefined ? undefined : view(made);
    },
    create: (spec, fence, signal) =>
      mutate(`create ${spec.token}`, spec.scope, fence, signal, () => {
        const made = make(spec);
        return view(chance(mood.duplicateRate) ? make(spec) : made);
      }),
    setRole: (scope, id, role, fence, signal) =>
      mutate(`role ${id} ${role}`, scope, fence, signal, () => {
        const made = find(scope, id);
        if (made === undefined) throw gone(`there is no instance ${id}`);
        made.role = role;
        if (options.obedient ?? true) made.acknowledged = { role, inFlight: 0, ready: true, at: clock.now() };
      }),
    stop: (scope, id, fence, signal) =>
      mutate(`stop ${id}`, scope, fence, signal, () => {
        const made = find(scope, id);
        if (made !== undefined) endIt(made, () => {});
      }),
    destroy: (scope, id, fence, signal) =>
      mutate(`destroy ${id}`, scope, fence, signal, () => {
        const made = find(scope, id);
        if (made !== undefined) endIt(made, () => machines.delete(id));
      }),
    async *logs(scope, query, signal) {
      const sent = new Map<string, number>();
      for (let first = true; (first || query.follow) && !signal.aborted; first = false) {
        for (const made of inScope(scope)) {
          if (query.instance !== undefined && query.instance !== made.id) continue;
          if (query.group !== undefined && query.group !== made.spec.group) continue;
          if (query.release !== undefined && query.release !== made.spec.release) continue;
          const from = sent.get(made.id) ?? (first ? Math.max(0, made.lines.length - query.tail) : 0);
          sent.set(made.id, made.lines.length);
          for (const line of made.lines.slice(from)) {
            if (signal.aborted) return;
            yield line;
          }
        }
        if (query.follow) await sleep(FOLLOW_MS, signal).catch(() => {});
      }
    },
    async supervise(scope, fence, signal) {
      admit(scope, fence);
      for (;;) {
        if (signal.aborted) return;
        admit(scope, fence);
        await sleep(FOLLOW_MS, signal).catch((error: unknown) => {
          if (error instanceof TowpathError) throw error;
        });
      }
    },
    world: (scope) => inScope(scope).map(view),
    setMood(next) {
      mood = next;
    },
    setReady(id, ready) {
      known(id).ready = ready;
    },
    isReady: (id) => machines.get(id)?.ready ?? false,
    crash(id, exit) {
      const made = known(id);
      made.lastExit = { ...exit, at: clock.now() };
      made.ready = false;
      const again = made.spec.restart === 'always' || (made.spec.restart === 'on-failure' && exit.code !== 0);
      if (again) made.restarts++;
      else made.state = exit.code === 0 ? 'stopped' : 'failed';
    },
    fail(id) {
      known(id).state = 'failed';
    },
    acknowledge(id, said) {
      known(id).acknowledged = { ...said, at: clock.now() };
    },
    write(id, stream, line) {
      const { spec, lines } = known(id);
      lines.push({ at: clock.now(), instance: id, release: spec.release, group: spec.group, stream, line });
    },
  };
}

/** mulberry32: small, and good enough to misbehave by. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
