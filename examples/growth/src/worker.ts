import { towpath } from '@towpath/sdk';
import { buryCrashers, claim } from './actions/claims.ts';
import { execute, type Executor } from './actions/execute.ts';
import { openPool } from './db.ts';
import { log, message } from './log.ts';
import { readSettings } from './settings.ts';
import { createShopify } from './shopify.ts';
import { VERSION } from './version.ts';

const tow = towpath();
const settings = readSettings();
const { claimMs, retryMs, concurrency } = settings.worker;
const pool = openPool(settings.databaseUrl, `growth-worker-r${tow.release}`);
const by = `worker ${VERSION} ${tow.instance}`;
const executor: Executor = { db: pool, shopify: createShopify(settings.shopify), by, claimMs, retryMs };

tow.shutdown([{ name: 'database', close: () => pool.end() }], { timeoutMs: 35_000 });
await pool.query('select 1');
tow.ready();
log('worker.ready', { version: VERSION, release: tow.release, role: tow.role() });
tow.onRole((role) => log('worker.role', { role }));

const BURY_EVERY_MS = 60_000;
let buriedAt = 0;
await tow.workLoop({
  concurrency,
  idleMs: 500,
  claim: async () => {
    if (Date.now() - buriedAt > BURY_EVERY_MS) {
      buriedAt = Date.now();
      await buryCrashers(pool);
    }
    return claim(pool, by, claimMs);
  },
  work: (held) => execute(executor, held),
  onError: (error, doing) => log(`${doing}.failed`, { error: message(error) }),
});
