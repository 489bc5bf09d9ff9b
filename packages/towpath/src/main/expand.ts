import path from 'node:path';
import type { Config } from '../config/index.ts';
import { createExpand, pending, readMigrations, type Migration } from '../migrations/index.ts';
import type { Expand } from '../release/index.ts';
import { openDatabase, systemClock, type Database } from '../system/index.ts';
import type { Databases } from './databases.ts';

/** Connects a rollout's expand step with the SQL folder of the release and the app's database. */
export function createExpandDriver(databases: Databases, environment: string): Expand {
  const withDatabase = async <T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> => {
    const database = openDatabase((await databases.app(environment, config)).reveal(), {
      max: 2,
      name: 'towpath migrations',
    });
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  };
  const filesOf = async (config: Config, location: string): Promise<readonly Migration[]> =>
    config.migrations === undefined ? [] : await readMigrations(path.join(location, config.migrations.dir));
  return {
    async pending(config, location) {
      const files = await filesOf(config, location);
      if (files.length === 0) return [];
      const left = await withDatabase(config, (database) => pending(database, files));
      return left.files.map(({ name, sha256 }) => ({ name, sha256 }));
    },
    async apply(config, location, release, prove, signal) {
      const files = await filesOf(config, location);
      const options = config.migrations;
      if (options === undefined || files.length === 0) return [];
      return await withDatabase(config, (database) =>
        createExpand({ database, clock: systemClock, random: Math.random }).apply(files, {
          release,
          lockTimeoutMs: options.lockTimeout,
          budgetMs: options.budget,
          statementTimeoutMs: options.statementTimeout,
          fenceCheck: prove,
          signal,
        }),
      );
    },
  };
}
