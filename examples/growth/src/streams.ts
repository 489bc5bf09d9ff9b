import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Hono } from 'hono';
import { VERSION } from './version.ts';

const ECHO_BYTES = 1_000_000;
const UPLOAD_BYTES = 200_000_000;
const SLOWEST_MS = 10_000;
const EVENT_EVERY_MS = 250;

/** Answers that take their time, and what has to end before the server can. */
export interface Streams {
  mount(app: Hono): void;
  /** Ends open event streams; their clients connect again, elsewhere. */
  close(): void;
}

const tooLarge = (c: Context, limit: number): Response => c.json({ error: `at most ${limit} bytes` }, 413);

export function createStreams(release: string): Streams {
  const open = new Set<() => void>();
  return {
    close() {
      for (const end of open) end();
    },
    mount(app) {
      app.post('/api/echo', async (c) => {
        const parts: Uint8Array[] = [];
        let size = 0;
        for await (const part of c.req.raw.body ?? []) {
          size += part.byteLength;
          if (size > ECHO_BYTES) return tooLarge(c, ECHO_BYTES);
          parts.push(part);
        }
        const type = c.req.header('content-type') ?? 'application/octet-stream';
        return c.body(new Uint8Array(Buffer.concat(parts)), 200, { 'content-type': type });
      });

      app.post('/api/upload', async (c) => {
        let size = 0;
        let chunks = 0;
        for await (const part of c.req.raw.body ?? []) {
          size += part.byteLength;
          chunks++;
          if (size > UPLOAD_BYTES) return tooLarge(c, UPLOAD_BYTES);
        }
        return c.json({ bytes: size, chunks });
      });

      app.get('/api/slow', async (c) => {
        const ms = Math.min(SLOWEST_MS, Math.max(0, Number(c.req.query('ms') ?? '1000') || 0));
        if (c.req.query('stream') === undefined) {
          await sleep(ms);
          return c.json({ slept: ms, release });
        }
        const steps = 10;
        let step = 0;
        return c.body(
          new ReadableStream<Uint8Array>({
            async pull(controller) {
              await sleep(ms / steps);
              controller.enqueue(new TextEncoder().encode(`part ${++step} of ${steps}\n`));
              if (step === steps) controller.close();
            },
          }),
        );
      });

      app.get('/api/events', (c) => {
        let n = 0;
        let end = (): void => {};
        const stream = new ReadableStream<Uint8Array>({
          start(controller) {
            const send = (): void => {
              // A reader that does not keep up is skipped, not buffered for.
              if ((controller.desiredSize ?? 0) < -100) return;
              const event = `id: ${++n}\ndata: ${JSON.stringify({ n, release, version: VERSION, at: Date.now() })}\n\n`;
              controller.enqueue(new TextEncoder().encode(event));
            };
            const timer = setInterval(send, EVENT_EVERY_MS);
            end = () => {
              clearInterval(timer);
              if (open.delete(end)) controller.close();
            };
            open.add(end);
            send();
          },
          cancel() {
            // The reader is gone, so there is nothing to close any more.
            open.delete(end);
            end();
          },
        });
        return c.body(stream, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      });
    },
  };
}
