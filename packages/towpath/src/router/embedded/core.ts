import type { ReleaseTotals, RouteTable, RouterState, RouterTarget } from '../contract.ts';
import { createHoldQueue, type HoldQueue } from './hold.ts';
import { EMPTY_TABLE } from './table.ts';
import { BUCKETS, type Tokens } from './tokens.ts';
import { createTotals, readTotals, record, type Totals } from './totals.ts';

/**
 * The routing core: which release and target a request goes to, what is in flight, what is counted.
 * It knows no transport; `Link` is whatever the transport keeps per target (a connection pool).
 *
 * The rule that makes switches lossless: a request is claimed (counted in flight) in the same
 * synchronous turn in which it is routed, and a table is replaced in one turn. So once `apply` has
 * returned, no request can be on its way to a release whose weight it set to 0 without being counted.
 */
export interface Lane<Link> {
  readonly release: number;
  readonly totals: Totals;
  /** From pick to end; upgraded connections and event streams are counted in `upgraded` instead. */
  inFlight: number;
  upgraded: number;
  targets: Target<Link>[];
  /** Where the next look for a target starts. */
  turn: number;
}

export interface Target<Link> extends RouterTarget {
  readonly lane: Lane<Link>;
  readonly link: Link;
  healthy: boolean;
  inFlight: number;
  /** Left the table; closed once nothing is in flight on it. */
  leaving: boolean;
}

/** One routed request, until `settle`. */
export interface Claim<Link> {
  lane: Lane<Link>;
  target: Target<Link>;
  /** ms of the monotonic clock */
  readonly startedAt: number;
  /** Bucket to hand to this browser, when it came without one. */
  readonly newBucket: number | undefined;
  state: 'counted' | 'upgraded' | 'settled';
}

export type Refusal = 'held' | 'no-release' | 'release-absent' | 'no-target';

export interface CoreOptions<Link> {
  readonly tokens: Tokens;
  readonly openLink: (target: RouterTarget) => Link;
  /** Called once a target has left the table and nothing is in flight on it. */
  readonly closeLink: (link: Link) => void;
  /** ms of the monotonic clock */
  readonly elapsed: () => number;
  /** 0 <= random < 1; where the sequence of picks begins */
  readonly random: () => number;
  readonly hold: { readonly count: number; readonly ms: number };
}

export interface Core<Link> {
  readonly hold: HoldQueue;
  apply(table: RouteTable): void;
  table(): RouteTable;
  /** Routes one request. `cookie` and `override` are header values. */
  claim(cookie: string | undefined, override: string | undefined): Claim<Link> | Refusal;
  /**
   * Gives a claim another target: of the same release, else of another release that shares traffic
   * (then neither release gets a failure for it). False when there is no other healthy one.
   */
  move(claim: Claim<Link>): boolean;
  /** The answer goes on for as long as the peers like (WebSocket, SSE): count it apart from now on. */
  upgrade(claim: Claim<Link>, status: number): void;
  /** Ends a claim, once. `status` 0: no whole answer was given. `failed`: not the client's doing. */
  settle(claim: Claim<Link>, status: number, failed: boolean): void;
  targets(): Iterable<Target<Link>>;
  inFlight(): number;
  read(): Pick<RouterState, 'table' | 'inFlight' | 'totals' | 'targets' | 'held'>;
}

/** Counters of releases that have long left are dropped beyond this many. */
const LANES_KEPT = 32;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

export function createCore<Link>(options: CoreOptions<Link>): Core<Link> {
  const { tokens, elapsed, random } = options;
  const hold = createHoldQueue(options.hold, elapsed);
  const lanes = new Map<number, Lane<Link>>();
  const targets = new Map<string, Target<Link>>();
  let table: RouteTable = EMPTY_TABLE;
  /** Only weights above 0, so that 0 % is never picked. */
  let shares: { readonly lane: Lane<Link>; readonly weight: number }[] = [];
  let bucketsOf: { readonly low: Lane<Link>; readonly high: Lane<Link>; readonly below: number } | undefined;
  let total = 0;
  let flying = 0;
  let nextPoint = random();
  /**
   * Evenly spread points in 0..1 (the golden ratio's Weyl sequence): like random ones they follow no
   * pattern of the traffic, but a share is met within a request or two instead of its square root.
   */
  const point = (): number => {
    const now = nextPoint;
    nextPoint = (now + GOLDEN) % 1;
    return now;
  };

  const laneOf = (release: number): Lane<Link> => {
    let lane = lanes.get(release);
    if (lane === undefined) {
      lane = { release, totals: createTotals(), inFlight: 0, upgraded: 0, targets: [], turn: 0 };
      lanes.set(release, lane);
    }
    return lane;
  };

  const leave = (target: Target<Link>): void => {
    target.leaving = true;
    if (target.inFlight === 0) options.closeLink(target.link);
  };

  /** The healthy target with the least in flight; equal ones take turns. */
  const healthyOf = (lane: Lane<Link>, except?: Target<Link>): Target<Link> | undefined => {
    const { targets: all } = lane;
    const count = all.length;
    let best: Target<Link> | undefined;
    for (let i = 0, at = lane.turn; i < count; i++, at++) {
      const target = all[at >= count ? (at %= count) : at];
      if (target === undefined || !target.healthy || target === except) continue;
      if (best === undefined || target.inFlight < best.inFlight) best = target;
    }
    lane.turn = lane.turn + 1 >= count ? 0 : lane.turn + 1;
    return best;
  };

  const shareOf = (at: number): Lane<Link> | undefined => {
    let left = at;
    for (const share of shares) {
      left -= share.weight;
      if (left < 0) return share.lane;
    }
    return shares.at(-1)?.lane;
  };

  const elsewhere = (lane: Lane<Link>): Target<Link> | undefined => {
    for (const share of shares) {
      if (share.lane === lane) continue;
      const target = healthyOf(share.lane);
      if (target !== undefined) return target;
    }
    return undefined;
  };

  const take = (target: Target<Link>, newBucket: number | undefined): Claim<Link> => {
    target.inFlight++;
    target.lane.inFlight++;
    flying++;
    return { lane: target.lane, target, startedAt: elapsed(), newBucket, state: 'counted' };
  };

  const letGo = (target: Target<Link>): void => {
    target.inFlight--;
    if (target.leaving && target.inFlight === 0) options.closeLink(target.link);
  };

  return {
    hold,
    table: () => table,
    targets: () => targets.values(),
    inFlight: () => flying,
    apply(next) {
      const wanted = new Map(next.targets.map((target) => [target.id, target]));
      for (const [id, known] of targets) {
        const want = wanted.get(id);
        const same = want?.release === known.release && want.host === known.host && want.port === known.port;
        if (same) continue;
        targets.delete(id);
        leave(known);
      }
      for (const target of next.targets) {
        if (targets.has(target.id)) continue;
        const opened = {
          ...target,
          lane: laneOf(target.release),
          link: options.openLink(target),
          healthy: true,
          inFlight: 0,
          leaving: false,
        };
        targets.set(target.id, opened);
      }
      for (const lane of lanes.values()) {
        lane.targets = [...targets.values()].filter((target) => target.lane === lane);
        lane.turn = 0;
      }
      table = next;
      shares = next.weights
        .filter((entry) => entry.weight > 0)
        .map((entry) => ({ lane: laneOf(entry.release), weight: entry.weight }));
      total = shares.reduce((sum, share) => sum + share.weight, 0);
      const low = shares.find((share) => share.lane.release === next.candidate);
      const high = shares.find((share) => share !== low);
      bucketsOf =
        next.sticky && shares.length === 2 && low !== undefined && high !== undefined
          ? { low: low.lane, high: high.lane, below: low.weight * (BUCKETS / 100) }
          : undefined;
      for (const [release, lane] of lanes) {
        if (lanes.size <= LANES_KEPT) break;
        const idle = lane.inFlight === 0 && lane.upgraded === 0 && lane.targets.length === 0;
        if (idle && !shares.some((share) => share.lane === lane)) lanes.delete(release);
      }
      if (!next.hold) hold.release();
    },
    claim(cookie, override) {
      if (table.hold) return 'held';
      if (override !== undefined) {
        const release = tokens.releaseIn(override);
        if (release !== undefined) {
          const asked = lanes.get(release);
          if (asked === undefined || asked.targets.length === 0) return 'release-absent';
          // A tester asked for this release and no other: no fallback.
          const target = healthyOf(asked) ?? asked.targets[0];
          return target === undefined ? 'release-absent' : take(target, undefined);
        }
      }
      let lane: Lane<Link> | undefined;
      let newBucket: number | undefined;
      if (bucketsOf === undefined) {
        lane = shares.length === 1 ? shares[0]?.lane : shareOf(point() * total);
      } else {
        let bucket = cookie === undefined ? undefined : tokens.bucketIn(cookie);
        if (bucket === undefined) bucket = newBucket = Math.floor(point() * BUCKETS);
        lane = bucket < bucketsOf.below ? bucketsOf.low : bucketsOf.high;
      }
      if (lane === undefined) return 'no-release';
      const target =
        healthyOf(lane) ??
        elsewhere(lane) ??
        // Nobody is known to be healthy. Trying costs one refused connect, and the target may be back
        // before the next probe sees it.
        lane.targets[lane.turn % Math.max(1, lane.targets.length)];
      if (target !== undefined) return take(target, newBucket);
      record(lane.totals, 503, true, undefined);
      return 'no-target';
    },
    move(claim) {
      const from = claim.target;
      const to = healthyOf(claim.lane, from) ?? (from.healthy ? undefined : elsewhere(claim.lane));
      if (to === undefined) return false;
      to.inFlight++;
      letGo(from);
      claim.target = to;
      if (to.lane !== claim.lane) {
        claim.lane.inFlight--;
        to.lane.inFlight++;
        claim.lane = to.lane;
      }
      return true;
    },
    upgrade(claim, status) {
      if (claim.state !== 'counted') return;
      claim.state = 'upgraded';
      claim.lane.inFlight--;
      claim.lane.upgraded++;
      flying--;
      record(claim.lane.totals, status, status >= 500, undefined);
    },
    settle(claim, status, failed) {
      const { lane, state } = claim;
      if (state === 'settled') return;
      claim.state = 'settled';
      if (state === 'upgraded') {
        lane.upgraded--;
      } else {
        lane.inFlight--;
        flying--;
        record(lane.totals, status, failed || status >= 500, status === 0 ? undefined : elapsed() - claim.startedAt);
      }
      letGo(claim.target);
    },
    read() {
      const all = [...lanes.values()];
      const totals: ReleaseTotals[] = all.map((lane) => readTotals(lane.release, lane.totals));
      return {
        table,
        totals,
        inFlight: all.map((lane) => ({ release: lane.release, requests: lane.inFlight, upgraded: lane.upgraded })),
        targets: [...targets.values()].map((target) => ({ id: target.id, healthy: target.healthy })),
        held: hold.size(),
      };
    },
  };
}
