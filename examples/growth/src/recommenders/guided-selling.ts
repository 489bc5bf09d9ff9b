import { MOST_PROPOSALS, type Recommender } from './recommender.ts';

/** Well-stocked products without an answer in the gift finder are never found by it. */
export const guidedSelling: Recommender = {
  name: 'guided-selling',
  summary: 'Answers of the gift finder',
  async propose({ products }, words, signal) {
    const missing = products.filter(({ quiz, inventory }) => quiz === undefined && inventory > 20);
    return Promise.all(
      missing.slice(0, MOST_PROPOSALS).map(async (product) => {
        const answer = await words(
          `In a few words: for whom is "${product.title}" the right present?`,
          `For everyone who likes ${product.title.toLowerCase()}`,
          signal,
        );
        return {
          type: 'metafield',
          subject: product.title,
          title: `Let the gift finder suggest "${product.title}"`,
          payload: { id: product.id, key: 'quiz', value: answer },
          diff: { quiz: { from: null, to: answer } },
          confidence: 0.55,
          estimatedImpact: 0.8,
          source: 'guided-selling',
        };
      }),
    );
  },
};
