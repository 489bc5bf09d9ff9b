import type { Server } from 'node:http';

export interface ShutdownHook {
  readonly name: string;
  readonly close: () => unknown;
}

export interface ShutdownOptions {
  /** For the jobs in hand and all hooks together, milliseconds; 25,000 unless told. Then exit 1. */
  readonly timeoutMs?: number;
}

interface Drain {
  readonly say: (line: string) => void;
  /** Takes nothing new from here on. */
  begin(): void;
  /** Resolves when no job is in hand. */
  idle(): Promise<void>;
}

/** @internal */
export function installShutdown(hooks: readonly ShutdownHook[], options: ShutdownOptions, drain: Drain): void {
  const timeoutMs = options.timeoutMs ?? 25_000;
  let begun = false;

  const end = async (signalName: string): Promise<void> => {
    let doing = 'jobs in hand';
    // Not unref'd: an app whose last handle is gone must still be told that it ended too early.
    const timer = setTimeout(() => {
      drain.say(`towpath sdk: ${signalName}: still waiting for ${doing} after ${timeoutMs} ms; exiting`);
      process.exit(1);
    }, timeoutMs);
    drain.begin();
    await drain.idle();
    let failed = false;
    for (const hook of hooks) {
      doing = hook.name;
      try {
        await hook.close();
      } catch (error) {
        failed = true;
        drain.say(
          `towpath sdk: closing ${hook.name} failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    clearTimeout(timer);
    process.exit(failed ? 1 : 0);
  };

  const onSignal = (signalName: NodeJS.Signals): void => {
    if (begun) {
      // Ctrl-C twice means now. A second SIGTERM is a supervisor repeating itself.
      if (signalName === 'SIGINT') process.exit(130);
      return;
    }
    begun = true;
    void end(signalName);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/**
 * Stops listening, lets requests in flight finish and tells their clients that the connection ends, closes
 * idle keep-alive connections at once. What is still open after `timeoutMs` is cut. Upgraded sockets
 * (WebSocket) are the app's own: close them before.
 */
export async function closeServer(server: Server, options: { readonly timeoutMs: number }): Promise<void> {
  // A client that reuses its connection now would race with its end; this response tells it not to.
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false;
  });
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweep = setInterval(() => server.closeIdleConnections(), 25);
  const cut = setTimeout(() => server.closeAllConnections(), options.timeoutMs);
  server.closeIdleConnections();
  try {
    await closed;
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
  }
}
