import { shareTestPostgres } from './testing.ts';

/** vitest's globalSetup: one Postgres for all tests of a run. */
export async function setup(): Promise<() => Promise<void>> {
  return await shareTestPostgres();
}
