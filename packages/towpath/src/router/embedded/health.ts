import net from 'node:net';
import type { Target } from './core.ts';

export interface Health<Link> {
  /** A connect was refused: send nothing more there until a probe gets through. */
  markDown(target: Target<Link>): void;
  /** Looks at a target once, now; used after a restart from a snapshot. */
  check(target: Target<Link>): void;
  stop(): void;
}

/**
 * Probes by TCP connect, only those targets that are marked down, until each is back or has left.
 * (The table carries no readiness path: whether an app is ready is judged before it gets weight.)
 */
export function createHealth<Link>(options: { readonly everyMs: number; readonly connectMs: number }): Health<Link> {
  const down = new Set<Target<Link>>();
  const probes = new Set<net.Socket>();
  let timer: NodeJS.Timeout | undefined;
  const probe = (target: Target<Link>, then: (up: boolean) => void): void => {
    const socket = net.connect({ host: target.host, port: target.port, timeout: options.connectMs });
    probes.add(socket);
    let done = false;
    const settle = (up: boolean): void => {
      if (done) return;
      done = true;
      probes.delete(socket);
      socket.destroy();
      then(up);
    };
    socket.on('connect', () => settle(true));
    socket.on('timeout', () => settle(false));
    socket.on('error', () => settle(false));
  };
  const round = (): void => {
    timer = undefined;
    for (const target of down) {
      if (target.leaving) down.delete(target);
      else
        probe(target, (up) => {
          if (up && down.delete(target)) target.healthy = true;
        });
    }
    arm();
  };
  const arm = (): void => {
    if (timer === undefined && down.size > 0) timer = setTimeout(round, options.everyMs).unref();
  };
  const markDown = (target: Target<Link>): void => {
    target.healthy = false;
    if (target.leaving) return;
    down.add(target);
    arm();
  };
  return {
    markDown,
    check: (target) =>
      probe(target, (up) => {
        if (!up) markDown(target);
      }),
    stop() {
      clearTimeout(timer);
      down.clear();
      for (const socket of probes) socket.destroy();
    },
  };
}
