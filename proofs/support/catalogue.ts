import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Proof } from '../proof.ts';

/**
 * Every `<name>.proof.ts` of a folder, by name.
 * @throws Error when a file exports no proof, one under another name, or one without a bound
 */
export async function loadProofs(folder: string): Promise<readonly Proof[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.proof.ts')).toSorted();
  return await Promise.all(
    files.map(async (file) => {
      const exported: unknown = await import(pathToFileURL(path.join(folder, file)).href);
      const name = file.slice(0, -'.proof.ts'.length);
      if (!isModule(exported) || !isProof(exported.proof))
        throw new Error(`${file} must export \`proof\`, a Proof with bounds`);
      if (exported.proof.name !== name)
        throw new Error(`${file} holds the proof "${exported.proof.name}"; name it "${name}"`);
      return exported.proof;
    }),
  );
}

const isModule = (value: unknown): value is { proof: unknown } =>
  typeof value === 'object' && value !== null && 'proof' in value;

/** What a slip would most likely get wrong; the compiler checks the rest. */
function isProof(value: unknown): value is Proof {
  const has = (key: string, type: string): boolean =>
    typeof value === 'object' && value !== null && typeof Reflect.get(value, key) === type;
  if (!has('name', 'string') || !has('promise', 'string') || !has('run', 'function') || !has('bounds', 'object'))
    return false;
  return (
    typeof value === 'object' &&
    value !== null &&
    'bounds' in value &&
    Array.isArray(value.bounds) &&
    value.bounds.length > 0
  );
}
