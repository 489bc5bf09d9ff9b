import type { Proposal } from '../actions/proposals.ts';
import type { Wording } from '../openai.ts';

export interface Product {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly seoTitle: string | undefined;
  readonly inventory: number;
  readonly quiz: string | undefined;
  readonly image: string | undefined;
}

export interface Collection {
  readonly id: string;
  readonly title: string;
  readonly sortOrder: string;
  /** Products that are sold out, of all in the collection. */
  readonly soldOut: number;
  readonly products: number;
}

export interface Metaobject {
  readonly id: string;
  readonly handle: string;
  readonly fields: readonly { readonly key: string; readonly value: string }[];
}

/** What the recommenders look at: the shop as it is now. */
export interface Catalogue {
  readonly products: readonly Product[];
  readonly collections: readonly Collection[];
  readonly metaobjects: readonly Metaobject[];
}

/** Looks at the shop and proposes. Pure but for the wording, so that a tick can be run again. */
export interface Recommender {
  readonly name: string;
  readonly summary: string;
  propose(catalogue: Catalogue, words: Wording, signal: AbortSignal): Promise<readonly Proposal[]>;
}

/** Proposals of one run; more would only fill the operator's list. */
export const MOST_PROPOSALS = 3;
