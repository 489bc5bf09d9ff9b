import { createRequire } from 'node:module';
import type pg from 'pg';
import { TowpathError } from '../kernel/index.ts';
import { hasCode } from './files.ts';

const require = createRequire(import.meta.url);
let loaded: typeof pg | undefined;

/** Loaded with the first connection: the CLI opens none, and pg would take a fifth of its start. */
function driver(): typeof pg {
  if (loaded === undefined) {
    const found: typeof pg = require('pg');
    // bigint columns hold sequence numbers and milliseconds here, all below 2^53.
    found.types.setTypeParser(found.types.builtins.INT8, Number);
    loaded = found;
  }
  return loaded;
}

/** A statement with its values apart; made by the `sql` tag. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** SQL stays visible: sql`select ${1}` is { text: 'select $1', values: [1] }. Statements nest. */
export function sql(strings: TemplateStringsArray, ...inputs: readonly unknown[]): Statement {
  const values: unknown[] = [];
  let text = strings[0] ?? '';
  inputs.forEach((input, i) => {
    if (isStatement(input)) {
      const offset = values.length;
      text += input.text.replaceAll(/\$(\d+)/g, (_, n: string) => `$${Number(n) + offset}`);
      values.push(...input.values);
    } else {
      values.push(input);
      text += `$${values.length}`;
    }
    text += strings[i + 1] ?? '';
  });
  return { text, values };
}

const STATEMENT = new WeakSet<object>();
function isStatement(input: unknown): input is Statement {
  return typeof input === 'object' && input !== null && STATEMENT.has(input);
}
/** A statement that may be put inside another one. */
export function fragment(strings: TemplateStringsArray, ...inputs: readonly unknown[]): Statement {
  const statement = sql(strings, ...inputs);
  STATEMENT.add(statement);
  return statement;
}

export type Row = Record<string, unknown>;

/** The part of a connection that our stores use. Rows are unknown: parse them in store.ts. */
export interface Queryable {
  query(statement: Statement): Promise<readonly Row[]>;
}

/** A connection of one's own, for session locks, LISTEN and transactions. */
export interface Session extends Queryable {
  /**
   * Many statements without values, as in a migration file (simple query protocol). An error of Postgres
   * carries `statementsDone`: how many of them had ended before it.
   */
  script(text: string): Promise<void>;
  onNotification(listener: (channel: string, payload: string) => void): void;
  /** Called once when the connection is lost. */
  onLost(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

export interface Database extends Queryable {
  /** Runs `work` in one transaction; rolls back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Opens a connection outside the pool. */
  session(options?: { readonly name?: string }): Promise<Session>;
  close(): Promise<void>;
}

const CONNECT_MS = 5000;

/** Names what went wrong with a connection, with the next step. Other errors pass through. */
export function explainConnectionError(error: unknown, url: string): unknown {
  const at = safeUrl(url);
  const fail = (code: string, message: string, hint: string, remedy: 'retry' | 'fix-input'): TowpathError =>
    new TowpathError(code, message, { remedy, hint, cause: error });
  if (hasCode(error, 'ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EHOSTUNREACH', 'ETIMEDOUT', '57P01', '57P02', '57P03')) {
    return fail(
      'database.unreachable',
      `no Postgres answers at ${at}`,
      'start it (`towpath up` starts the embedded one) or correct the URL; nothing was changed',
      'retry',
    );
  }
  if (error instanceof Error && /timeout (expired|exceeded)|Connection terminated|not queryable/i.test(error.message)) {
    return fail(
      'database.unreachable',
      `Postgres at ${at} broke off: ${error.message}`,
      'it is retried by itself once the server answers',
      'retry',
    );
  }
  if (hasCode(error, '28P01', '28000')) {
    return fail(
      'database.wrong_password',
      `Postgres at ${at} refuses these credentials`,
      'correct user and password in the URL',
      'fix-input',
    );
  }
  if (hasCode(error, '3D000')) {
    return fail(
      'database.missing',
      `the database of ${at} does not exist`,
      'create it or correct the URL',
      'fix-input',
    );
  }
  if (hasCode(error, '53300')) {
    return fail(
      'database.too_many_connections',
      `Postgres at ${at} has no free connection`,
      'lower the pools or raise max_connections',
      'retry',
    );
  }
  if (hasCode(error, '53100')) {
    return fail(
      'database.disk_full',
      `the disk of Postgres at ${at} is full`,
      'free space on its volume; it goes on by itself then',
      'retry',
    );
  }
  return error;
}

/** A database URL without its password. */
export function safeUrl(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    parsed.search = '';
    return parsed.toString();
  } catch {
    return '(a URL that cannot be parsed)';
  }
}

/**
 * Opens a pool.
 * @param url `postgresql://...`; @param options.max connections
 */
export function openDatabase(url: string, options: { readonly max?: number; readonly name?: string } = {}): Database {
  const base: pg.ClientConfig = {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    application_name: options.name ?? 'towpath',
  };
  const pool = new (driver().Pool)({ ...base, max: options.max ?? 5, idleTimeoutMillis: 10_000 });
  pool.on('error', () => {
    // An idle connection was lost; the next query opens another and reports what is wrong.
  });
  const ask = async (client: pg.Pool | pg.ClientBase, statement: Statement): Promise<readonly Row[]> => {
    try {
      const result = await client.query<Row>(statement.text, [...statement.values]);
      return result.rows;
    } catch (error) {
      throw explainConnectionError(error, url);
    }
  };
  return {
    query: (statement) => ask(pool, statement),
    async transaction(work) {
      let client: pg.PoolClient;
      try {
        client = await pool.connect();
      } catch (error) {
        throw explainConnectionError(error, url);
      }
      // Without a listener, a connection that breaks while checked out ends the process.
      const ignore = (): void => {};
      client.on('error', ignore);
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work({ query: (statement) => ask(client, statement) });
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback').catch((lost: unknown) => {
          broken = lost instanceof Error ? lost : new Error(String(lost));
        });
        throw explainConnectionError(error, url);
      } finally {
        client.off('error', ignore);
        client.release(broken);
      }
    },
    async session(sessionOptions = {}) {
      const client = new (driver().Client)({
        ...base,
        application_name: sessionOptions.name ?? options.name ?? 'towpath',
      });
      const lost: ((error: Error) => void)[] = [];
      let gone: Error | undefined;
      const lose = (error: Error): void => {
        if (gone !== undefined) return;
        gone = error;
        for (const listener of lost) listener(error);
      };
      client.on('error', lose);
      client.on('end', () => lose(new Error('connection ended')));
      try {
        await client.connect();
      } catch (error) {
        throw explainConnectionError(error, url);
      }
      // One statement at a time: a proof of the lease may come while the lease is being renewed.
      let turn: Promise<unknown> = Promise.resolve();
      const query: Session['query'] = (statement) => {
        const answer = turn.then(() => ask(client, statement));
        turn = answer.catch(() => {});
        return answer;
      };
      return {
        query,
        async script(text) {
          let statementsDone = 0;
          const count = (): void => {
            statementsDone++;
          };
          client.connection.on('commandComplete', count);
          try {
            await client.query(text);
          } catch (error) {
            // Postgres gives no position for most DDL errors: this says which statement it was.
            if (error instanceof Error) Object.assign(error, { statementsDone });
            throw explainConnectionError(error, url);
          } finally {
            client.connection.off('commandComplete', count);
          }
        },
        onNotification(listener) {
          client.on('notification', (message) => listener(message.channel, message.payload ?? ''));
        },
        onLost(listener) {
          if (gone === undefined) lost.push(listener);
          else listener(gone);
        },
        async close() {
          lost.length = 0;
          await client.end().catch(() => {});
        },
      };
    },
    close: () => pool.end(),
  };
}
