import { TowpathError, type Fence } from '../kernel/index.ts';
import { sql, sleep, type Clock, type Database, type Session } from '../system/index.ts';

export interface LeaseOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly key: string;
  /** For people: host, pid and start of the controller. Unique among controllers. */
  readonly holder: string;
  readonly ttlMs: number;
}

/** A lease that is held. `lost` is aborted, with the reason, as soon as it cannot be relied on. */
export interface Lease {
  readonly fence: Fence;
  readonly lost: AbortSignal;
  /** Asks the database. @throws TowpathError `lease.lost` */
  prove(): Promise<void>;
  release(): Promise<void>;
}

const lostError = (key: string, why: string): TowpathError =>
  new TowpathError('lease.lost', `the lease on ${key} is lost: ${why}`, {
    remedy: 'retry',
    hint: 'nothing to do: whoever holds it now goes on, and this controller waits for its turn',
  });

/**
 * Waits until this controller holds the lease.
 *
 * Two proofs together: a session advisory lock, which the server frees at the moment a holder's process
 * dies, so that a successor follows at once; and a row with an expiry, because a holder that hangs
 * (SIGSTOP, a lost host) keeps its session. When the row has expired the hung holder's session is ended
 * by the server. The epoch, checked at every side effect, stops what wakes up later.
 */
export async function takeLease(options: LeaseOptions, signal: AbortSignal): Promise<Lease> {
  const { database, key, holder, ttlMs } = options;
  for (;;) {
    signal.throwIfAborted();
    const session = await database.session({ name: `towpath lease ${key}` });
    try {
      const epoch = await attempt(session, key, holder, ttlMs);
      if (epoch !== undefined) return hold(options, session, epoch);
    } catch (error) {
      await session.close();
      throw error;
    }
    await session.close();
    await sleep(Math.min(500, ttlMs / 4), signal);
  }
}

async function attempt(session: Session, key: string, holder: string, ttlMs: number): Promise<number | undefined> {
  const [locked] = await session.query(
    sql`select pg_try_advisory_lock(hashtextextended(${`towpath:${key}`}, 0)) as ok`,
  );
  if (locked?.['ok'] !== true) {
    // The lock is held. If its holder has let the lease expire, it hangs: end its session.
    await session.query(sql`
      select pg_terminate_backend(l.pid)
        from pg_locks l, (select hashtextextended(${`towpath:${key}`}, 0) as h) k
       where l.locktype = 'advisory' and l.granted and l.objsubid = 1
         and l.database = (select oid from pg_database where datname = current_database())
         and l.classid::bigint = (k.h >> 32) & 4294967295 and l.objid::bigint = k.h & 4294967295
         and l.pid <> pg_backend_pid()
         and exists (select 1 from towpath.lease where key = ${key} and expires_at < clock_timestamp())`);
    return undefined;
  }
  const [row] = await session.query(sql`
    insert into towpath.lease as l (key, holder, epoch, expires_at)
    values (${key}, ${holder}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
    on conflict (key) do update
      set holder = excluded.holder, epoch = l.epoch + 1, taken_at = clock_timestamp(), expires_at = excluded.expires_at
    returning epoch`);
  return Number(row?.['epoch']);
}

function hold(options: LeaseOptions, session: Session, epoch: number): Lease {
  const { clock, key, ttlMs } = options;
  const lost = new AbortController();
  let renewed = clock.elapsed();
  const lose = (why: string): void => {
    if (lost.signal.aborted) return;
    clearInterval(timer);
    lost.abort(lostError(key, why));
    void session.close();
  };
  const check = async (extend: boolean): Promise<void> => {
    const asked = clock.elapsed();
    // A process that was stopped past its lease wakes up here: its own clock says so first.
    if (asked - renewed > ttlMs) lose(`not renewed for ${Math.round(asked - renewed)} ms`);
    lost.signal.throwIfAborted();
    const rows = await session.query(
      extend
        ? sql`update towpath.lease set expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
               where key = ${key} and epoch = ${epoch} and expires_at > clock_timestamp() returning epoch`
        : sql`select epoch from towpath.lease
               where key = ${key} and epoch = ${epoch} and expires_at > clock_timestamp()`,
    );
    if (rows.length === 0) lose('another controller has it, or it ran out');
    lost.signal.throwIfAborted();
    if (extend) renewed = asked;
  };
  session.onLost((error) => lose(error.message));
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    check(true)
      .catch((error: unknown) => lose(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        busy = false;
      });
  }, ttlMs / 3);
  return {
    fence: { epoch },
    lost: lost.signal,
    async prove() {
      try {
        await check(false);
      } catch (error) {
        lose(error instanceof Error ? error.message : String(error));
        throw lost.signal.reason;
      }
    },
    async release() {
      clearInterval(timer);
      await session
        .query(sql`update towpath.lease set expires_at = clock_timestamp() where key = ${key} and epoch = ${epoch}`)
        .catch(() => []);
      lose('released');
      await session.close();
    },
  };
}
