import type { EffectLog } from './effects.ts';
import { isFields, type Fields } from './serve.ts';

const NAMES = [
  'Linen shirt', 'Wool blanket', 'Oak cutting board', 'Enamel mug', 'Canvas tote', 'Beeswax candle',
  'Leather belt', 'Cotton socks', 'Glass carafe', 'Rain jacket', 'Felt slippers', 'Travel towel',
] as const; // prettier-ignore

const gid = (type: string, n: number): string => `gid://shopify/${type}/${n}`;

/** What a document asks for first: the operation by which this fake knows it. It is no GraphQL parser. */
export const operationOf = (document: string): { readonly mutation: boolean; readonly field: string } => ({
  mutation: /^\s*mutation\b/.test(document),
  field: /\{\s*(\w+)/.exec(document)?.[1] ?? '',
});

interface Write {
  /** The variable that carries the id, the changed property, and the shape of the answer. */
  readonly target: (variables: Fields) => string;
  readonly payload: (variables: Fields) => Fields;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const id = (variables: Fields): string => text(variables['id']);

/** The mutations it knows. */
export const WRITES: Readonly<Record<string, Write>> = {
  productUpdate: { target: (v) => `${id(v)}/seo`, payload: (v) => ({ product: { id: id(v) } }) },
  collectionUpdate: { target: (v) => `${id(v)}/sortOrder`, payload: (v) => ({ collection: { id: id(v) } }) },
  metaobjectUpdate: { target: (v) => `${id(v)}/fields`, payload: (v) => ({ metaobject: { id: id(v) } }) },
  metafieldsSet: {
    target: (v) => `${id(v)}/metafield.${text(v['key'])}`,
    payload: (v) => ({ metafields: [{ id: `${id(v)}/${text(v['key'])}` }] }),
  },
};

/** Answers a query from the fixed catalogue and the effects so far; undefined for one it does not know. */
export function read(document: string, variables: Fields, effects: EffectLog): Fields | undefined {
  const value = (of: string, field: string, fallback: unknown): unknown => effects.value(`${of}/${field}`) ?? fallback;
  const metafield = (of: string, key: string): Fields | null => {
    const stored = effects.value(`${of}/metafield.${key}`);
    return stored === undefined || stored === '' ? null : { value: stored };
  };
  const product = (n: number): Fields => {
    const name = NAMES[n - 1] ?? `Product ${n}`;
    const own = gid('Product', n);
    return {
      id: own,
      title: name,
      description: `${name}, made to last and easy to mend.`,
      seo: value(own, 'seo', { title: n % 3 === 0 ? `${name} - our shop` : null, description: null }),
      totalInventory: n % 4 === 0 ? 0 : 10 * n,
      featuredMedia: n % 5 === 0 ? null : { alt: name },
      metafield: metafield(own, 'quiz'),
    };
  };
  const collection = (n: number): Fields => {
    const own = gid('Collection', n);
    return {
      id: own,
      title: ['Home', 'Clothing', 'Presents'][n - 1] ?? `Collection ${n}`,
      sortOrder: value(own, 'sortOrder', 'MANUAL'),
      products: { nodes: [1, 2, 3, 4].map((i) => ({ totalInventory: product(n * 4 - 4 + i)['totalInventory'] })) },
    };
  };
  const metaobject = (n: number): Fields => {
    const own = gid('Metaobject', n);
    const plain = [{ key: 'label', value: `Size ${n}` }, { key: 'help', value: n % 2 === 0 ? '' : 'Measure the chest' }]; // prettier-ignore
    return { id: own, handle: `size-chart-${n}`, fields: value(own, 'fields', plain) };
  };
  const number = Number(/(\d+)$/.exec(id(variables))?.[1]);
  const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i + 1);
  const known = Number.isInteger(number);

  switch (operationOf(document).field) {
    case 'shop':
      return { shop: { id: gid('Shop', 1), name: 'Demo', myshopifyDomain: 'demo.myshopify.com' } };
    case 'currentAppInstallation':
      return { currentAppInstallation: { accessScopes: [{ handle: 'write_products' }, { handle: 'write_content' }] } };
    case 'products':
      return {
        products: { nodes: upTo(NAMES.length).map(product) },
        collections: { nodes: upTo(3).map(collection) },
        metaobjects: { nodes: upTo(4).map(metaobject) },
      };
    case 'product':
      if (!known) return { product: null };
      return {
        product: { ...product(number), metafield: metafield(id(variables), text(variables['key'])) },
      };
    case 'collection':
      return { collection: known ? collection(number) : null };
    case 'metaobject':
      return { metaobject: known ? metaobject(number) : null };
    default:
      return undefined;
  }
}

export const asFields = (value: unknown): Fields => (isFields(value) ? value : {});
