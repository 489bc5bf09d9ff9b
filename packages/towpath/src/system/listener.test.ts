import { createServer } from 'node:net';
import { test } from 'vitest';
import { listenerOn } from './listener.ts';

test('who listens on a port is named', async ({ expect, onTestFinished }) => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  onTestFinished(() => void server.close());
  // Only Linux can be asked.
  const me = new RegExp(process.platform === 'linux' ? `^process ${process.pid} \\(` : '^nobody$');
  expect(listenerOn(port) ?? 'nobody').toMatch(me);
  await new Promise((resolve) => server.close(resolve));
  expect(listenerOn(port)).toBeUndefined();
});
