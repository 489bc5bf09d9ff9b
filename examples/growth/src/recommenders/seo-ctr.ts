import { MOST_PROPOSALS, type Recommender } from './recommender.ts';

// Search results cut titles at about this length.
const SHOWN = 60;

/** Products whose title in search results is missing or cut off get fewer clicks than they could. */
export const seoCtr: Recommender = {
  name: 'seo-ctr',
  summary: 'Titles for search results',
  async propose({ products }, words, signal) {
    const weak = products.filter(({ seoTitle }) => seoTitle === undefined || seoTitle.length > SHOWN);
    return Promise.all(
      weak.slice(0, MOST_PROPOSALS).map(async (product) => {
        const plain = `${product.title} | Free returns`.slice(0, SHOWN);
        const title = await words(`A search result title for the product "${product.title}"`, plain, signal);
        return {
          type: 'product_seo',
          subject: product.title,
          title: `Give "${product.title}" a search title that is shown in full`,
          payload: { id: product.id, value: { title, description: product.description.slice(0, 155) } },
          diff: { 'seo.title': { from: product.seoTitle ?? null, to: title } },
          confidence: product.seoTitle === undefined ? 0.8 : 0.65,
          estimatedImpact: 1.2,
          source: 'seo-ctr',
        };
      }),
    );
  },
};
