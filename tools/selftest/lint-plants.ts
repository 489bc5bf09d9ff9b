import { plant, type Plant } from './plant.ts';

const SRC = 'packages/towpath/src';
const FLOATING = `const work = async (): Promise<void> => {};
export const start = (): void => {
  work();
};`;
const FORGETFUL = `export function f(x: 'a' | 'b'): void {
  switch (x) {
    case 'a':
      return;
  }
}`;
const UPWARD = /kernel may not import system/;
const WALL_CLOCK = /only system\/clock\.ts reads the wall clock/;
const EMPTY_TEST = `import { test } from 'vitest';\ntest('x', () => {});`;
const SKIPPED_TEST = `import { test } from 'vitest';\ntest.skip('x', ({ expect }) => expect(1).toBe(1));`;
const GLOBAL_EXPECT = `import { expect, test } from 'vitest';\ntest('x', () => expect(1).toBe(1));`;
const FAIR_TEST = `import { test } from 'vitest';
import { openTestDatabase } from '../system/testing.ts';
test('x', ({ expect }) => expect(openTestDatabase).toBeDefined());`;

/** Offences against the layers, the packages and the doors to the world. */
const ARCHITECTURE: readonly Plant[] = [
  plant('an import up the layers', `${SRC}/kernel/*.ts`, `export { run } from '../system/index.ts';`, UPWARD),
  plant('a dynamic import up the layers', `${SRC}/kernel/*.ts`, `await import('../system/index.ts');`, UPWARD),
  plant('a re-export of all up the layers', `${SRC}/kernel/*.ts`, `export * from '../system/index.ts';`, UPWARD),
  plant('a type up the layers', `${SRC}/kernel/*.ts`, `export type X = import('../system/index.ts').Clock;`, UPWARD),
  plant(
    'a sideways import',
    `${SRC}/judge/*.ts`,
    `export { createLedger } from '../evidence/index.ts';`,
    /judge may not import evidence/,
  ),
  plant(
    'an entry by the back door',
    `${SRC}/release/*.ts`,
    `export { run } from '../system/exec.ts';`,
    /enter system through/,
  ),
  plant(
    'a testing.ts used by the product',
    `${SRC}/release/*.ts`,
    `export * from '../system/testing.ts';`,
    /enter system through/,
  ),
  plant(
    'a folder without a layer',
    `${SRC}/planted/*.ts`,
    'export const x = 1;',
    /planted is not in architecture\.json/,
  ),
  plant('a file directly in src/', `${SRC}/*.ts`, 'export const x = 1;', /no files directly in src/),
  plant('an import down, by the door', `${SRC}/release/*.ts`, `export { run } from '../system/index.ts';`, 'nothing'),
  plant('a testing.ts used by a test', `${SRC}/release/*.test.ts`, FAIR_TEST, 'nothing'),

  plant(
    'wire that imports a neighbour',
    'packages/wire/src/*.ts',
    `export * from '@towpath/sdk';`,
    /wire may not import sdk/,
  ),
  plant(
    'sdk that imports code of wire',
    'packages/sdk/src/*.ts',
    `export * from '@towpath/wire';`,
    /only types of wire/,
  ),
  plant(
    'sdk that imports types of wire',
    'packages/sdk/src/*.ts',
    `export type { Status } from '@towpath/wire';`,
    'nothing',
  ),
  plant(
    'sdk that imports the product',
    'packages/sdk/src/*.ts',
    `export * from '../../towpath/src/kernel/index.ts';`,
    /sdk may not import towpath/,
  ),
  plant(
    'an example that reaches into a package',
    'examples/growth/src/*.ts',
    `export * from '../../../packages/sdk/src/index.ts';`,
    /an example installs our packages/,
  ),

  plant('a judge that reads files', `${SRC}/judge/*.ts`, `export * from 'node:fs';`, /judge may not import node:fs/),
  plant(
    'a workflow that spawns',
    `${SRC}/workflow/*.ts`,
    `export * from 'child_process';`,
    /workflow may not import child_process/,
  ),
  plant('a store with its own Postgres', `${SRC}/evidence/*.ts`, `export * from 'pg';`, /evidence may not import pg/),
  plant('Date.now outside the clock', `${SRC}/release/*.ts`, 'export const at = Date.now();', WALL_CLOCK),
  plant('new Date() outside the clock', `${SRC}/release/*.ts`, 'export const at = new Date();', WALL_CLOCK),
  plant(
    'process.env outside the config',
    `${SRC}/release/*.ts`,
    `export const home = process.env['HOME'];`,
    /read process\.env/,
  ),
  plant(
    'a disabled rule without a reason',
    `${SRC}/kernel/*.ts`,
    '// oxlint-disable-next-line no-console\nexport const x = 1;',
    /say why the rule is disabled/,
  ),
];

/** Offences against the rules for code; those marked so need the types of the whole program. */
const RULES: readonly Plant[] = [
  plant('a floating promise (types)', `${SRC}/kernel/*.ts`, FLOATING, /no-floating-promises/),
  plant('a switch that forgets a case (types)', `${SRC}/kernel/*.ts`, FORGETFUL, /switch-exhaustiveness-check/),
  plant(
    'an unsafe assertion (types)',
    `${SRC}/kernel/*.ts`,
    'export const f = (x: unknown): string => x as string;',
    /no-unsafe-type-assertion/,
  ),
  plant('an any', `${SRC}/kernel/*.ts`, 'export const f = (x: any): void => void x;', /no-explicit-any/),
  plant('a non-null assertion', `${SRC}/kernel/*.ts`, 'export const f = (x?: string): string => x!;', /no-non-null/),
  plant('a console.log in the product', `${SRC}/kernel/*.ts`, `console.log('planted');`, /no-console/),
  plant('a global expect', `${SRC}/kernel/*.test.ts`, GLOBAL_EXPECT, /no-restricted-imports/),
  plant('a test that asserts nothing', `${SRC}/kernel/*.test.ts`, EMPTY_TEST, /expect-expect/),
  plant('a skipped test', `${SRC}/kernel/*.test.ts`, SKIPPED_TEST, /no-disabled-tests/),
  plant('an import cycle', `${SRC}/kernel/planted-cycle.ts`, `export { b } from './planted-cycle-b.ts';`, /no-cycle/),
  plant(
    'its other half',
    `${SRC}/kernel/planted-cycle-b.ts`,
    `export * from './planted-cycle.ts';\nexport const b = 1;`,
    /no-cycle/,
  ),
];

export const LINT_PLANTS: readonly Plant[] = [...ARCHITECTURE, ...RULES];
