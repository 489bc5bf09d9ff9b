import { test } from 'vitest';
import { nearest } from './near.ts';

const known = ['readiness', 'restart', 'instances', 'port', 'stages'];

test.for([
  ['readyness', 'readiness'],
  ['restrat', 'restart'],
  ['Port', 'port'],
  ['inst', 'instances'],
  ['stage', 'stages'],
] as const)('%s is meant as %s', ([typed, meant], { expect }) => {
  expect(nearest(typed, known)).toBe(meant);
});

test('nothing is suggested for a word that is far from all', ({ expect }) => {
  expect(nearest('kubernetes', known)).toBeUndefined();
});
