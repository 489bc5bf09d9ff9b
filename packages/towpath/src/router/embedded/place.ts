import path from 'node:path';
import { readText, type ProcessIdentity } from '../../system/index.ts';

/** Where the router of a folder runs. */
export interface ProcessState {
  readonly guardian: ProcessIdentity;
  readonly host: string;
  readonly port: number;
  readonly socket: string;
}

export const stateFile = (dir: string): string => path.join(dir, 'router.json');

/** What was started in `dir` the last time, running or not. */
export async function readProcessState(dir: string): Promise<ProcessState | undefined> {
  const text = await readText(stateFile(dir));
  if (text === undefined) return undefined;
  try {
    // oxlint-disable-next-line no-unsafe-type-assertion -- written by ensureRouter below, atomically
    return JSON.parse(text) as ProcessState;
  } catch {
    return undefined;
  }
}
