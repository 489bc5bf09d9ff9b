import type { Checks } from '@towpath/sdk';
import type pg from 'pg';

// Filled when the catalogue has been read, which nothing does.
const catalogue = new Map<string, unknown>();

/** What web needs before it can take requests. */
export const readinessChecks = (pool: pg.Pool): Checks => ({
  database: () => pool.query('select 1 from actions limit 1'),
  catalogue: async () => catalogue.size > 0,
});
