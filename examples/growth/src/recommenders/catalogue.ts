import { isFields, type Fields, type Shopify } from '../shopify.ts';
import type { Catalogue } from './recommender.ts';

const DOCUMENT = `query catalogue {
  products(first: 20) { nodes { id title description seo { title } totalInventory featuredMedia { alt }
    metafield(namespace: "growth", key: "quiz") { value } } }
  collections(first: 10) { nodes { id title sortOrder products(first: 20) { nodes { totalInventory } } } }
  metaobjects(type: "size_chart", first: 10) { nodes { id handle fields { key value } } }
}`;

/** Reads the parts of the shop that the recommenders look at. */
export async function readCatalogue(shopify: Shopify, signal: AbortSignal): Promise<Catalogue> {
  const data = await shopify.graphql(DOCUMENT, {}, { signal });
  return {
    products: nodes(data['products']).map((node) => ({
      id: text(node['id']),
      title: text(node['title']),
      description: text(node['description']),
      seoTitle: some(fields(node['seo'])['title']),
      inventory: Number(node['totalInventory'] ?? 0),
      quiz: some(fields(node['metafield'])['value']),
      image: some(fields(node['featuredMedia'])['alt']),
    })),
    collections: nodes(data['collections']).map((node) => {
      const stock = nodes(node['products']).map((product) => Number(product['totalInventory'] ?? 0));
      return {
        id: text(node['id']),
        title: text(node['title']),
        sortOrder: text(node['sortOrder']),
        soldOut: stock.filter((count) => count <= 0).length,
        products: stock.length,
      };
    }),
    metaobjects: nodes(data['metaobjects']).map((node) => ({
      id: text(node['id']),
      handle: text(node['handle']),
      fields: (Array.isArray(node['fields']) ? node['fields'].map(fields) : []).map((field) => ({
        key: text(field['key']),
        value: text(field['value']),
      })),
    })),
  };
}

const fields = (value: unknown): Fields => (isFields(value) ? value : {});
const nodes = (value: unknown): readonly Fields[] => {
  const list = fields(value)['nodes'];
  return Array.isArray(list) ? list.map(fields) : [];
};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const some = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
