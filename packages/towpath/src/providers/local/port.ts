import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';
import { TowpathError } from '../../kernel/index.ts';
import { hasCode, listenerOn } from '../../system/index.ts';

/**
 * Ports we give out lie below the range from which Linux takes the ports of outgoing connections
 * (32768 up). Otherwise one of the router's own connections could sit on an instance's port in the
 * moment in which the instance restarts.
 */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 200;

/**
 * A port of 127.0.0.1 that nobody listens on and that is not in `taken`.
 * @throws TowpathError `provider.refused` when none is found
 */
export async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = randomInt(FIRST, LAST);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new TowpathError('provider.refused', `no free port between ${FIRST} and ${LAST} in ${TRIES} tries`, {
    remedy: 'retry',
    hint: 'see `ss -ltn` for what listens there',
  });
}

/** @throws TowpathError `provider.port_taken` */
export async function claimPort(port: number, group: string): Promise<number> {
  if (await isFree(port)) return port;
  const holder = listenerOn(port);
  throw new TowpathError(
    'provider.port_taken',
    `port ${port} of 127.0.0.1, wanted by group ${group}, is taken by ${holder ?? 'another program'}`,
    {
      remedy: 'fix-input',
      hint: `drop the fixed port of ${group}, as two releases that run side by side cannot share one, or stop what listens there${holder === undefined ? ` (\`ss -ltnp 'sport = :${port}'\` names it)` : ''}`,
      details: { port, group, ...(holder === undefined ? {} : { holder }) },
    },
  );
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (hasCode(error, 'EADDRINUSE', 'EACCES')) resolve(false);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
