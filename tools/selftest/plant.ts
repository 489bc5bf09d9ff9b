/** One planted offence, or an innocent twin of one. */
export interface Plant {
  readonly offence: string;
  readonly file: string;
  readonly code: string;
  /** What the guard must say in a line that names the file; `nothing` when it must not mind. */
  readonly says: RegExp | 'nothing';
}

let planted = 0;

/** @param file `*` in it becomes a name of its own, so that all plants fit into one copy */
export function plant(offence: string, file: string, code: string, says: Plant['says']): Plant {
  return { offence, file: file.replace('*', `planted-${++planted}`), code, says };
}
