import { test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, waitFor } from './testing/app.ts';

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

test('the web process answers everything, then ends without cutting what is under way', async ({
  expect,
  onTestFinished,
}) => {
  const app = await startTestApp();
  onTestFinished(() => app.close());
  const web = app.start(['src/web.ts'], { TOWPATH_INSTANCE: 'i', TOWPATH_RELEASE: '12' });
  const url = `http://127.0.0.1:${(await web.line(/"port":(\d+)/))[1]}`;
  const api = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    expect(response.headers.get('x-growth-release'), path).toBe('12');
    expect(response.headers.get('x-growth-version'), path).toBe('v1');
    const text = await response.text();
    return { status: response.status, text, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : undefined };
  };

  expect((await api('/live')).text).toBe('alive');
  expect(await api('/ready')).toMatchObject({ status: 200, body: { ready: true, checks: { database: 'ok' } } });
  expect((await api('/nowhere')).status).toBe(404);

  const action = {
    type: 'metafield',
    title: 'try',
    payload: { id: 'gid://shopify/Product/2', key: 'quiz', value: 'yes' },
  };
  expect((await api('/api/actions', json({ ...action, type: 'what' }))).status).toBe(400);
  const twice = { ...json(action), headers: { 'content-type': 'application/json', 'idempotency-key': 'k1' } };
  const made = await api('/api/actions', twice);
  expect(made).toMatchObject({ status: 201, body: { id: 1 } });
  expect(await api('/api/actions', twice)).toMatchObject({ status: 200, body: { id: 1 } });
  expect(await api('/api/actions/1/approve', { method: 'POST' })).toMatchObject({ status: 200 });
  expect(await api('/api/actions/1/approve', { method: 'POST' })).toMatchObject({ status: 200 });
  expect(await api('/api/actions/1/reject', { method: 'POST' })).toMatchObject({ status: 409 });
  expect(await api('/api/actions/1/rollback', { method: 'POST' })).toMatchObject({ status: 409 });
  expect(await api('/api/actions?status=approved')).toMatchObject({ body: { actions: [{ id: '1', title: 'try' }] } });
  expect(await api('/api/shops')).toMatchObject({ body: { shops: [{ domain: 'demo.myshopify.com' }] } });
  expect(await api('/api/recommenders/merch-playbook/run', { method: 'POST' })).toMatchObject({
    body: { outcome: 'proposed' },
  });
  const page = await api('/');
  expect(page.text).toContain('by sales');
  const metrics = await api('/metrics');
  expect(metrics.text).toMatch(/growth_queue_depth\{status="approved",release="12"\} 1/);
  expect(metrics.text).toMatch(
    /growth_recommender_runs_total\{recommender="merch-playbook",outcome="proposed",release="12"\} 1/,
  );

  expect((await api('/api/echo', { method: 'POST', body: 'hello' })).text).toBe('hello');
  expect((await api('/api/echo', { method: 'POST', body: 'x'.repeat(1_000_001) })).status).toBe(413);
  const parts = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let i = 0; i < 50; i++) controller.enqueue(new Uint8Array(1000));
      controller.close();
    },
  });
  expect(await api('/api/upload', { method: 'POST', body: parts, duplex: 'half' })).toMatchObject({
    body: { bytes: 50_000 },
  });
  expect((await api('/api/slow?ms=50&stream=1')).text).toContain('part 10 of 10');

  const events = await fetch(`${url}/api/events`);
  const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toMatch(/"n":1,"release":"12"/);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
  const heard: string[] = [];
  let closed: number | undefined;
  socket.on('message', (data: Buffer) => heard.push(data.toString()));
  socket.on('open', () => socket.send('ping'));
  socket.on('close', (code) => (closed = code));
  await waitFor('echo', () => (heard[0] === 'ping' ? true : undefined));

  const slow = api('/api/slow?ms=600');
  await new Promise((resolve) => setTimeout(resolve, 100));
  web.kill('SIGTERM');
  expect(await slow).toMatchObject({ status: 200, body: { slept: 600 } });
  for (let more = await reader?.read(); more?.done === false;) more = await reader?.read();
  await waitFor('socket closed', () => closed);
  expect(closed).toBe(1001);
  expect(await web.ended, web.output()).toBe(0);
});
