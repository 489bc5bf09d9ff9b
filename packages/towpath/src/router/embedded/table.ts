import { isIP } from 'node:net';
import { TowpathError } from '../../kernel/index.ts';
import type { RouteTable, RouterTarget } from '../contract.ts';

export const EMPTY_TABLE: RouteTable = { targets: [], weights: [], sticky: false, hold: false };

const bad = (message: string): TowpathError =>
  new TowpathError('router.bad_table', message, {
    remedy: 'fix-input',
    hint: 'send a whole table: targets, weights that sum to 100 (or none), sticky, hold',
  });

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const isRelease = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function parseTarget(value: unknown): RouterTarget {
  if (!isRecord(value)) throw bad('a target is not an object');
  const { id, release, host, port } = value;
  if (typeof id !== 'string' || id === '') throw bad('a target has no id');
  if (!isRelease(release)) throw bad(`target ${id} has no release number`);
  if (typeof host !== 'string' || (isIP(host) === 0 && !/^[a-z0-9.-]+$/i.test(host))) {
    throw bad(`target ${id} has no usable host`);
  }
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw bad(`target ${id} has no usable port`);
  }
  return { id, release, host, port };
}

/**
 * A table from outside, checked.
 * @throws TowpathError `router.bad_table`
 */
export function parseTable(value: unknown): RouteTable {
  if (!isRecord(value)) throw bad('the table is not an object');
  if (!Array.isArray(value['targets']) || !Array.isArray(value['weights'])) throw bad('targets and weights are lists');
  const targets = value['targets'].map(parseTarget);
  if (new Set(targets.map((target) => target.id)).size !== targets.length) throw bad('two targets have the same id');
  const weights = value['weights'].map((entry: unknown) => {
    if (!isRecord(entry) || !isRelease(entry['release'])) throw bad('a weight has no release number');
    const weight = entry['weight'];
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= 100)) throw bad('a weight is not within 0..100');
    return { release: entry['release'], weight };
  });
  if (new Set(weights.map((entry) => entry.release)).size !== weights.length) throw bad('two weights for one release');
  const sum = weights.reduce((total, entry) => total + entry.weight, 0);
  if (weights.length > 0 && Math.abs(sum - 100) > 1e-6) throw bad(`the weights sum to ${sum}, not 100`);
  for (const entry of weights) {
    if (entry.weight > 0 && !targets.some((target) => target.release === entry.release)) {
      throw bad(`release ${entry.release} has weight ${entry.weight} and no target`);
    }
  }
  const { sticky, hold, candidate } = value;
  if (typeof sticky !== 'boolean' || typeof hold !== 'boolean') throw bad('sticky and hold are true or false');
  if (candidate === undefined) return { targets, weights, sticky, hold };
  if (!isRelease(candidate)) throw bad('the candidate is not a release number');
  return { targets, weights, sticky, hold, candidate };
}
