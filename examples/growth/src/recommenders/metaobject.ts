import { MOST_PROPOSALS, type Recommender } from './recommender.ts';

/** Metaobjects with empty fields leave holes on the pages that show them. */
export const metaobject: Recommender = {
  name: 'metaobject',
  summary: 'Empty fields of metaobjects',
  async propose({ metaobjects }) {
    return metaobjects
      .filter(({ fields }) => fields.some((field) => field.value === ''))
      .slice(0, MOST_PROPOSALS)
      .map((object) => {
        const filled = object.fields.map((field) =>
          field.value === '' ? { ...field, value: 'See the size guide' } : field,
        );
        const empty = object.fields.filter((field) => field.value === '').map((field) => field.key);
        return {
          type: 'metaobject',
          subject: object.handle,
          title: `Fill ${empty.join(', ')} of "${object.handle}"`,
          payload: { id: object.id, value: filled },
          diff: Object.fromEntries(empty.map((key) => [key, { from: '', to: 'See the size guide' }])),
          confidence: 0.6,
          estimatedImpact: 0.3,
          source: 'metaobject',
        };
      });
  },
};
