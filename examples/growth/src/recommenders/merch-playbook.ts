import { MOST_PROPOSALS, type Recommender } from './recommender.ts';

/** A collection that opens with what is sold out should rather open with what sells. */
export const merchPlaybook: Recommender = {
  name: 'merch-playbook',
  summary: 'Order of collections',
  async propose({ collections }) {
    return collections
      .filter(({ sortOrder, soldOut }) => sortOrder === 'MANUAL' && soldOut > 0)
      .slice(0, MOST_PROPOSALS)
      .map((collection) => ({
        type: 'collection_order',
        subject: collection.title,
        title: `Order "${collection.title}" by sales: ${collection.soldOut} of ${collection.products} are sold out`,
        payload: { id: collection.id, value: 'BEST_SELLING' },
        diff: { sortOrder: { from: collection.sortOrder, to: 'BEST_SELLING' } },
        confidence: Math.min(0.9, 0.5 + collection.soldOut / Math.max(1, collection.products)),
        estimatedImpact: 2.1,
        source: 'merch-playbook',
      }));
  },
};
