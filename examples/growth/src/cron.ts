import { towpath } from '@towpath/sdk';
import { openPool } from './db.ts';
import { log, message } from './log.ts';
import { createWording, plainWording } from './openai.ts';
import { recommenders } from './recommenders/index.ts';
import { runRecommender } from './recommenders/run.ts';
import { readSettings } from './settings.ts';
import { createShopify } from './shopify.ts';

const DEADLINE_MS = 60_000;

const recommender = recommenders.find(({ name }) => name === process.argv[2]);
if (recommender === undefined) {
  log('usage', { usage: `node src/cron.ts ${recommenders.map(({ name }) => name).join('|')}` });
  process.exit(2);
}

const tow = towpath();
const settings = readSettings();
const pool = openPool(settings.databaseUrl, `growth-cron-r${tow.release}`);
const now = new Date();
const tick = tow.tick() ?? { id: `by-hand-${now.toISOString()}`, scheduledAt: now, attempt: 1 };
try {
  const done = await runRecommender(
    {
      pool,
      shopify: createShopify(settings.shopify),
      words: settings.openai === undefined ? plainWording : createWording(settings.openai),
      shop: settings.shopify.shop,
      release: tow.release,
    },
    recommender,
    tick,
    AbortSignal.timeout(DEADLINE_MS),
  );
  log('recommender.ran', { recommender: recommender.name, tick: tick.id, attempt: tick.attempt, ...done });
} catch (error) {
  log('recommender.failed', { recommender: recommender.name, tick: tick.id, error: message(error) });
  process.exitCode = 1;
} finally {
  await pool.end();
}
