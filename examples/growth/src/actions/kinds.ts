import { isFields, type Fields } from '../shopify.ts';

/** What is changed in Shopify: one resource, one value. `key` names the metafield. */
export interface Change {
  readonly id: string;
  readonly value: unknown;
  readonly key?: string;
}

interface Kind {
  /** Reads the value as it is now; it is kept for a rollback. */
  readonly read: string;
  readonly current: (data: Fields) => unknown;
  readonly write: string;
}

const at = (data: unknown, ...path: readonly string[]): unknown =>
  path.reduce((value, step) => (isFields(value) ? value[step] : undefined), data);

const KINDS: Readonly<Record<string, Kind>> = {
  product_seo: {
    read: 'query ($id: ID!) { product(id: $id) { seo { title description } } }',
    current: (data) => at(data, 'product', 'seo'),
    write:
      'mutation ($id: ID!, $value: SEOInput!) { productUpdate(product: { id: $id, seo: $value }) { product { id } userErrors { field message } } }',
  },
  collection_order: {
    read: 'query ($id: ID!) { collection(id: $id) { sortOrder } }',
    current: (data) => at(data, 'collection', 'sortOrder'),
    write:
      'mutation ($id: ID!, $value: CollectionSortOrder!) { collectionUpdate(input: { id: $id, sortOrder: $value }) { collection { id } userErrors { field message } } }',
  },
  metaobject: {
    read: 'query ($id: ID!) { metaobject(id: $id) { fields { key value } } }',
    current: (data) => at(data, 'metaobject', 'fields'),
    write:
      'mutation ($id: ID!, $value: [MetaobjectFieldInput!]) { metaobjectUpdate(id: $id, metaobject: { fields: $value }) { metaobject { id } userErrors { field message } } }',
  },
  metafield: {
    read: 'query ($id: ID!, $key: String!) { product(id: $id) { metafield(namespace: "growth", key: $key) { value } } }',
    current: (data) => at(data, 'product', 'metafield', 'value'),
    write:
      'mutation ($id: ID!, $key: String!, $value: String!) { metafieldsSet(metafields: [{ ownerId: $id, namespace: "growth", key: $key, type: "single_line_text_field", value: $value }]) { metafields { id } userErrors { field message } } }',
  },
};

export const actionTypes: readonly string[] = Object.keys(KINDS);

export const kindOf = (type: string): Kind | undefined => KINDS[type];

export function parseChange(payload: unknown): Change | undefined {
  if (!isFields(payload) || typeof payload['id'] !== 'string' || payload['value'] === undefined) return undefined;
  const key = payload['key'];
  return { id: payload['id'], value: payload['value'], ...(typeof key === 'string' ? { key } : {}) };
}
