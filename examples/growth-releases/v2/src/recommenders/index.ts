import { guidedSelling } from './guided-selling.ts';
import { merchPlaybook } from './merch-playbook.ts';
import { metaobject } from './metaobject.ts';
import type { Recommender } from './recommender.ts';
import { seoCtr } from './seo-ctr.ts';
import { webVitals } from './web-vitals.ts';

export const recommenders: readonly Recommender[] = [seoCtr, metaobject, merchPlaybook, guidedSelling, webVitals];
