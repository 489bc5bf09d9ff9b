import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

// Starts the embedded Postgres once per run; integration tests clone a template database of it.
const postgres = './packages/towpath/src/system/testing-setup.ts';
const everywhere = ['packages/*/src', 'packages/*/test', 'examples', 'tools', 'proofs'];
const ignored = ['**/node_modules/**', '**/dist/**', '**/.towpath/**'];

export default defineConfig({
  test: {
    // Two cores: more workers only make the tests with real processes wait for each other.
    maxWorkers: 2,
    retry: 0,
    passWithNoTests: false,
    teardownTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: everywhere.map((folder) => `${folder}/**/*.test.ts`),
          exclude: [...ignored, '**/*.it.test.ts', '**/*.live.test.ts'],
          pool: 'threads',
          sequence: { shuffle: true },
          testTimeout: 10_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'it',
          include: everywhere.map((folder) => `${folder}/**/*.it.test.ts`),
          exclude: ignored,
          // Real processes, signals and chdir need a process of their own.
          pool: 'forks',
          globalSetup: existsSync(postgres) ? [postgres] : [],
          setupFiles: ['./tools/vitest/no-orphans.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
