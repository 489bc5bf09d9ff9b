/**
 * Open-loop load: `node open-loop.ts <url> <rate> <seconds>`, on one core. A request is sent when its
 * time has come, whether or not earlier ones were answered, and its latency counts from that time.
 * Prints one JSON line: { sent, failed, p50, p99 }, in ms.
 */
import { Pool } from 'undici';

const [, , url = '', rateText = '1000', secondsText = '5'] = process.argv;
const rate = Number(rateText);
const total = rate * Number(secondsText);
const { origin } = new URL(url);
const pool = new Pool(origin, { connections: 64, pipelining: 1 });
const latencies: number[] = [];
let failed = 0;
let sent = 0;
let done = 0;
const started = performance.now() + 200;
/** The first tenth warms up the connections. */
const warm = total / 10;

function send(n: number): void {
  const due = started + (n * 1000) / rate;
  let status = 0;
  pool.dispatch(
    { path: '/', method: 'GET', headers: ['accept', '*/*', 'user-agent', 'open-loop'] },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, code) => {
        status = code;
      },
      onResponseData: () => {},
      onResponseEnd: () => finish(n, due, status === 200),
      onResponseError: () => finish(n, due, false),
    },
  );
}

function finish(n: number, due: number, ok: boolean): void {
  done++;
  if (!ok) failed++;
  else if (n >= warm) latencies.push(performance.now() - due);
  if (done < total) return;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
  process.stdout.write(`${JSON.stringify({ sent: total, failed, p50: at(0.5), p99: at(0.99) })}\n`);
  pool.destroy().catch(() => {});
}

// setImmediate turns often enough to send within some 20 us of the due time; a timer would not.
function turn(): void {
  const due = Math.min(total, Math.floor(((performance.now() - started) * rate) / 1000) + 1);
  while (sent < due) send(sent++);
  if (sent < total) setImmediate(turn);
}
turn();
