import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** `standby` is up and claims nothing; `active` does the work; `draining` finishes what it has. */
export type Role = 'standby' | 'active' | 'draining';

/** What Towpath wants of this instance: the content of TOWPATH_CONTROL_FILE. */
export interface Control {
  readonly role: Role;
  /** Rises with every change of the controller in charge; a lower one is an old controller's. */
  readonly epoch: number;
}

/** What this instance answers: the content of TOWPATH_ACK_FILE. */
export interface Acknowledgement {
  /** The role it has settled in. `draining` is only said once nothing new can be claimed any more. */
  readonly role: Role;
  /** Jobs in hand. */
  readonly inFlight: number;
  readonly ready: boolean;
  /** ms since the epoch */
  readonly at: number;
}

const isRole = (value: unknown): value is Role => value === 'standby' || value === 'active' || value === 'draining';

/** Parses a control file; undefined when it is not one. */
export function parseControl(text: string): Control | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('role' in value) || !('epoch' in value)) return undefined;
  if (!isRole(value.role) || typeof value.epoch !== 'number') return undefined;
  return { role: value.role, epoch: value.epoch };
}

/** The text of a file, or undefined when it is not there. Other errors are thrown. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file so that a reader sees the old content or the new one, never a part. */
export function replaceFile(file: string, text: string): void {
  const next = `${file}.${process.pid}.next`;
  try {
    writeFileSync(next, text, { mode: 0o600 });
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}
