import { parseEnv } from 'node:util';
import path from 'node:path';
import type { Config } from '../config/index.ts';
import { asTowpathError, Secret, TowpathError } from '../kernel/index.ts';
import {
  ensureDatabase,
  ensureEmbeddedPostgres,
  identify,
  isAlive,
  openDatabase,
  readText,
  sleep,
  sql,
  type EmbeddedPostgres,
  type ProcessIdentity,
} from '../system/index.ts';
import type { Layout } from './layout.ts';

export interface Databases {
  /** Of the control plane's own state. */
  readonly control: Secret;
  /** What an environment's app is given beyond its plain variables; the database it belongs to among it. */
  values(environment: string, config: Config): Promise<Readonly<Record<string, string | Secret>>>;
  /** Of the app. @throws TowpathError `database.not_configured` */
  app(environment: string, config: Config): Promise<Secret>;
  /** Starts the embedded Postgres again whenever it has died, until the signal; never rejects. */
  keep(until: AbortSignal): Promise<void>;
}

const KEEP_LOOK_MS = 1000;

/** The control plane's database and those of the app: embedded, or where variables say. */
export async function openDatabases(
  layout: Layout,
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  onNote: (line: string) => void,
  signal: AbortSignal,
): Promise<Databases> {
  const ensure = (stop: AbortSignal): Promise<EmbeddedPostgres> =>
    ensureEmbeddedPostgres({ dir: layout.postgres, major: config.postgres.major, onNote, signal: stop });
  let server: Promise<EmbeddedPostgres> | undefined;
  const embedded = async (): Promise<string> => {
    server ??= ensure(signal);
    server.catch(() => {
      server = undefined;
    });
    return (await server).adminUrl;
  };
  const given = env['TOWPATH_DATABASE_URL'];
  const control = given ?? (await ensureDatabase(await embedded(), 'towpath'));
  if (given !== undefined) await proveGiven(given);

  const envFile = async (environment: string, now: Config): Promise<Record<string, Secret>> => {
    const file = now.environments[environment]?.envFile;
    if (file === undefined) return {};
    const text = await readText(path.resolve(layout.root, file));
    if (text === undefined) {
      throw new TowpathError('environment.no_env_file', `the env file ${file} of ${environment} is not there`, {
        remedy: 'fix-input',
        hint: `create ${file} beside towpath.config.ts, or take envFile out of the environment`,
      });
    }
    return Object.fromEntries(
      Object.entries(parseEnv(text)).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, new Secret(name, value)]],
      ),
    );
  };

  // The keeper asks every few seconds: only the first time opens a connection.
  const made = new Map<string, string>();
  const app = async (environment: string, now: Config): Promise<Secret> => {
    const name = now.environments[environment]?.database.url;
    if (name === undefined) {
      const database = `${now.app}_${environment}`.replaceAll('-', '_');
      const url = made.get(database) ?? (await ensureDatabase(await embedded(), database));
      made.set(database, url);
      return new Secret('DATABASE_URL', url);
    }
    const fromFile = (await envFile(environment, now))[name];
    if (fromFile !== undefined) return fromFile;
    const value = env[name];
    if (value !== undefined && value !== '') return new Secret(name, value);
    throw new TowpathError(
      'database.not_configured',
      `${name} is to hold the database URL of ${environment} and is not set`,
      {
        remedy: 'fix-input',
        hint: `set ${name} in the environment's envFile, or where the control plane is started`,
      },
    );
  };

  return {
    control: new Secret('TOWPATH_DATABASE_URL', control),
    app,
    async keep(stop) {
      let known: EmbeddedPostgres | undefined;
      let process: ProcessIdentity | undefined;
      let trouble = '';
      while (!stop.aborted) {
        try {
          const started = await server;
          if (started !== known) process = started === undefined ? undefined : identify(started.pid);
          known = started;
          if (known !== undefined && (process === undefined || !isAlive(process))) {
            onNote(`process ${known.pid} of the embedded Postgres has ended; it is started again`);
            // In place of the one before only when it runs: on its port, so that URLs stay as they are.
            const again = await ensure(stop);
            server = Promise.resolve(again);
          }
          trouble = '';
        } catch (error) {
          const { message } = asTowpathError(error);
          if (!stop.aborted && message !== trouble) onNote(message);
          trouble = message;
        }
        await sleep(KEEP_LOOK_MS, stop).catch(() => {});
      }
    },
    async values(environment, now) {
      return { DATABASE_URL: await app(environment, now), ...(await envFile(environment, now)) };
    },
  };
}

/** Says early, and for the variable it comes from, why the given database cannot be used. */
async function proveGiven(url: string): Promise<void> {
  const database = openDatabase(url, { max: 1, name: 'towpath start' });
  try {
    await database.query(sql`select 1`);
  } catch (error) {
    const { code, message, remedy, details } = asTowpathError(error);
    throw new TowpathError(code, message, {
      remedy,
      hint: 'correct TOWPATH_DATABASE_URL, or start that server; without the variable, Towpath uses a Postgres of its own',
      cause: error,
      ...(details === undefined ? {} : { details }),
    });
  } finally {
    await database.close();
  }
}
