import type { Counters, TrafficOptions } from './model.ts';

/** What the measuring process asks of the generator's process. */
export type Asked = { readonly id: number } & (
  | { readonly ask: 'start'; readonly options: TrafficOptions }
  | { readonly ask: 'mark'; readonly window: string | undefined }
  | { readonly ask: 'counters' }
  | { readonly ask: 'stop' }
);

/** Its answer to the question of the same id. */
export interface Told {
  readonly id: number;
  readonly counters: Counters | undefined;
}
