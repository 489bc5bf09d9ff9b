import type { Checks } from '@towpath/sdk';
import type pg from 'pg';

/** What web needs before it can take requests. */
export const readinessChecks = (pool: pg.Pool): Checks => ({
  database: () => pool.query('select 1 from actions limit 1'),
});
