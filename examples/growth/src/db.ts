import pg from 'pg';

/** What a query can be sent to: the pool, or the one connection of a transaction. */
export type Db = Pick<pg.Pool, 'query'>;

/**
 * A small pool on purpose: during a rollout two releases are connected at once, and Postgres has few
 * connections. Every statement has a deadline, so a slow database makes errors and not a queue.
 */
export function openPool(url: string, name: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 5,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 5000,
    statement_timeout: 5000,
    query_timeout: 6000,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    application_name: name,
  });
  // An idle connection that breaks is replaced by the next query; without this it would end the process.
  pool.on('error', () => {});
  return pool;
}

export async function transaction<T>(pool: pg.Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => (broken = true));
    throw error;
  } finally {
    client.release(broken);
  }
}

/** The shop this app is installed in, made known on first use. */
export async function shopId(db: Db, domain: string): Promise<number> {
  const known = await db.query<{ id: string }>('select id from shops where domain = $1', [domain]);
  if (known.rows[0] !== undefined) return Number(known.rows[0].id);
  await db.query('insert into shops (domain) values ($1) on conflict do nothing', [domain]);
  return shopId(db, domain);
}
