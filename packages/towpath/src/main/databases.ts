import { parseEnv } from 'node:util';
import path from 'node:path';
import type { Config } from '../config/index.ts';
import { Secret, TowpathError } from '../kernel/index.ts';
import { ensureDatabase, ensureEmbeddedPostgres, readText } from '../system/index.ts';
import type { Layout } from './layout.ts';

export interface Databases {
  /** Of the control plane's own state. */
  readonly control: Secret;
  /** What an environment's app is given beyond its plain variables; the database it belongs to among it. */
  values(environment: string, config: Config): Promise<Readonly<Record<string, string | Secret>>>;
  /** Of the app. @throws TowpathError `database.not_configured` */
  app(environment: string, config: Config): Promise<Secret>;
}

/** The control plane's database and those of the app: embedded, or where variables say. */
export async function openDatabases(
  layout: Layout,
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  onNote: (line: string) => void,
  signal: AbortSignal,
): Promise<Databases> {
  let admin: Promise<string> | undefined;
  const embedded = (): Promise<string> => {
    admin ??= ensureEmbeddedPostgres({ dir: layout.postgres, major: config.postgres.major, onNote, signal }).then(
      (server) => server.adminUrl,
    );
    admin.catch(() => {
      admin = undefined;
    });
    return admin;
  };
  const given = env['TOWPATH_DATABASE_URL'];
  const control = given ?? (await ensureDatabase(await embedded(), 'towpath'));

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

  const app = async (environment: string, now: Config): Promise<Secret> => {
    const name = now.environments[environment]?.database.url;
    if (name === undefined) {
      const database = `${now.app}_${environment}`.replaceAll('-', '_');
      return new Secret('DATABASE_URL', await ensureDatabase(await embedded(), database));
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
    async values(environment, now) {
      return { DATABASE_URL: await app(environment, now), ...(await envFile(environment, now)) };
    },
  };
}
