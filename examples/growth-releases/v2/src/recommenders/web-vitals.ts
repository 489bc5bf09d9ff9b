import { MOST_PROPOSALS, type Recommender } from './recommender.ts';

/** Product pages whose main picture has no description load it late and read badly. */
export const webVitals: Recommender = {
  name: 'web-vitals',
  summary: 'Pictures that slow pages down',
  async propose({ products }) {
    return products
      .filter(({ image }) => image === undefined)
      .slice(0, MOST_PROPOSALS)
      .map((product) => ({
        type: 'metafield',
        subject: `${product.title} picture`,
        title: `Load the main picture of "${product.title}" first`,
        payload: { id: product.id, key: 'eager_image', value: 'true' },
        diff: { eager_image: { from: null, to: 'true' } },
        confidence: 0.7,
        estimatedImpact: 0.4,
        source: 'web-vitals',
      }));
  },
};
