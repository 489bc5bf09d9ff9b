/** Named looks at what the instance needs; each resolves when fine and rejects or returns false when not. */
export type Checks = Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>>;

export interface ReadinessAnswer {
  readonly status: 200 | 503;
  readonly body: { readonly ready: boolean; readonly checks: Readonly<Record<string, string>> };
}

export type Readiness = () => Promise<ReadinessAnswer>;

/**
 * Runs all checks at once, each within `timeoutMs`. The answer names what failed; the reason of a
 * failure stays out of it, since this answer is public. @internal
 */
export function createReadiness(checks: Checks, stopping: AbortSignal, timeoutMs: number): Readiness {
  const look = async (check: (signal: AbortSignal) => Promise<unknown>): Promise<string> => {
    const deadline = AbortSignal.timeout(timeoutMs);
    const late = new Promise<string>((resolve) => {
      deadline.addEventListener('abort', () => resolve(`no answer within ${timeoutMs} ms`), { once: true });
    });
    const asked = check(deadline).then(
      (value) => (value === false ? 'failed' : 'ok'),
      () => 'failed',
    );
    return Promise.race([asked, late]);
  };
  return async () => {
    if (stopping.aborted) return { status: 503, body: { ready: false, checks: { process: 'stopping' } } };
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]): Promise<[string, string]> => [name, await look(check)]),
    );
    const ready = results.every(([, result]) => result === 'ok');
    return { status: ready ? 200 : 503, body: { ready, checks: Object.fromEntries(results) } };
  };
}
