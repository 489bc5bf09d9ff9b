import { createServer } from 'node:http';
import { closeServer, towpath } from '@towpath/sdk';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { createApi } from './api.ts';
import { lately } from './actions/decisions.ts';
import { list } from './actions/proposals.ts';
import { openPool } from './db.ts';
import { log } from './log.ts';
import { createMetrics } from './metrics.ts';
import { failed, stamped } from './middleware.ts';
import { createWording, plainWording } from './openai.ts';
import { page, PAGE_HEADERS } from './page.ts';
import { readinessChecks } from './readiness.ts';
import { recommenders } from './recommenders/index.ts';
import { readSettings } from './settings.ts';
import { createShopify } from './shopify.ts';
import { serveSockets } from './sockets.ts';
import { createStreams } from './streams.ts';
import { VERSION } from './version.ts';

const tow = towpath();
const settings = readSettings();
const { release } = tow;
const pool = openPool(settings.databaseUrl, `growth-web-r${release}`);
const shopify = createShopify(settings.shopify);
const words = settings.openai === undefined ? plainWording : createWording(settings.openai);
const { claimMs, retryMs } = settings.worker;
const metrics = createMetrics(pool, release);
const streams = createStreams(release);
const ready = tow.readiness(readinessChecks(pool), { timeoutMs: 1000 });

const app = new Hono();
app.use(stamped(release, metrics));
app.onError((error, c) => failed(error, c.req.path));
app.get('/live', (c) => c.text('alive'));
app.get('/ready', async (c) => {
  const { status, body } = await ready();
  return c.json(body, status);
});
app.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }));
app.get('/', async (c) => {
  const actions = [...(await list(pool, 'pending', 100)), ...(await lately(pool, 50))];
  return c.html(page(actions, recommenders, release), 200, PAGE_HEADERS);
});
streams.mount(app);
app.route(
  '/api',
  createApi({
    pool,
    executor: { db: pool, shopify, by: `operator via web ${VERSION}`, claimMs, retryMs },
    run: { pool, shopify, words, shop: settings.shopify.shop, release },
  }),
);

const listener = getRequestListener(app.fetch);
const server = createServer((request, response) => void listener(request, response));
// Longer than any proxy in front keeps an idle connection, so that it is never us who close one in use.
server.keepAliveTimeout = 75_000;
const sockets = serveSockets(server, release);

tow.shutdown([
  { name: 'event streams', close: () => streams.close() },
  { name: 'sockets', close: () => sockets.close() },
  { name: 'requests', close: () => closeServer(server, { timeoutMs: 12_000 }) },
  { name: 'database', close: () => pool.end() },
]);
server.listen(settings.port, settings.host, () => {
  tow.ready();
  log('web.listening', { address: server.address(), version: VERSION, release });
});
