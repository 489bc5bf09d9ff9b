import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import pg from 'pg';
import { createTestDatabase } from '../../../../packages/towpath/src/system/testing.ts';
import { startShopifySimulator, type ShopifyOptions, type ShopifySimulator } from '../../../simulators/shopify.ts';
import { openPool } from '../db.ts';

const ROOT = new URL('../../', import.meta.url);

export interface Process {
  output(): string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

/** The app on a database of its own, with a simulated Shopify; its processes are real. */
export interface TestApp {
  readonly pool: pg.Pool;
  readonly shopify: ShopifySimulator;
  start(argv: readonly string[], env?: Readonly<Record<string, string>>): Process;
  close(): Promise<void>;
}

export async function startTestApp(options: ShopifyOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase({ empty: true });
  const shopify = await startShopifySimulator({ plan: 'enterprise', ...options });
  const pool = openPool(database.url, 'growth-test');
  const folder = new URL('migrations/', ROOT);
  for (const name of readdirSync(folder).sort()) await pool.query(readFileSync(new URL(name, folder), 'utf8'));
  const processes: Process[] = [];
  return {
    pool,
    shopify,
    start(argv, env = {}) {
      const child = spawn(process.execPath, ['--conditions=towpath-source', ...argv], {
        cwd: ROOT,
        env: {
          PATH: process.env['PATH'],
          DATABASE_URL: database.url,
          SHOPIFY_URL: shopify.url,
          SHOPIFY_TOKEN: 'simulator-token',
          PORT: '0',
          CLAIM_MS: '1000',
          RETRY_MS: '50',
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const keep = (chunk: Buffer): void => void (output += chunk.toString());
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      const ended = new Promise<number | string>((resolve) => {
        child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
      });
      const started: Process = {
        output: () => output,
        pid: child.pid ?? 0,
        kill: (signal) => child.kill(signal),
        ended,
        line: (pattern) => waitFor(`a line like ${pattern} in: ${output}`, () => pattern.exec(output) ?? undefined),
      };
      processes.push(started);
      return started;
    },
    async close() {
      for (const { kill } of processes) kill('SIGKILL');
      await Promise.all(processes.map(({ ended }) => ended));
      await pool.end();
      await shopify.close();
      await database.dispose();
    },
  };
}

/** Looks every 20 ms, for 15 s at most. */
export async function waitFor<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = performance.now() + 15_000;
  for (;;) {
    const answer = await look();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
