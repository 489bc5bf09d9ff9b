import { describe, test, type TestContext } from 'vitest';
import { asTowpathError, type Scope } from '../kernel/index.ts';
import type { Instance, InstanceSpec, Provider } from './contract.ts';
import { ensureDestroyed, ensureInstance } from './ensure.ts';
import { sleep } from '../system/index.ts';

export { createFakeProvider, type FakeMood, type FakeOptions, type FakeProvider } from './fake.ts';

/** What a provider's test hands to the suite. */
export interface ProviderUnderTest {
  readonly provider: Provider;
  /** A command that runs until it is told to end, and an artifact to run it in. */
  readonly runnable: Pick<InstanceSpec, 'command' | 'artifact'>;
  /** What really runs, when `list` may be behind. */
  census(scope: Scope): Promise<readonly Instance[]>;
}

export const testScope: Scope = { app: 'growth', environment: 'local' };

/** A spec to start from. */
export function specOf(runnable: ProviderUnderTest['runnable'], over: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    token: 'r1.web.0',
    scope: testScope,
    release: 1,
    group: 'web',
    kind: 'web',
    ...runnable,
    env: {},
    memoryMb: 512,
    restart: 'always',
    stopTimeoutMs: 2000,
    role: 'active',
    ...over,
  };
}

/**
 * What every provider must do, fakes and drivers alike. Calls that may fail for reasons of the day go
 * through the `ensure` functions, as the engine's do.
 */
export function providerContract(name: string, open: (context: TestContext) => Promise<ProviderUnderTest>): void {
  const first = { epoch: 1 };
  const second = { epoch: 2 };
  const quick = { pauseMs: 2 };

  describe(`${name} keeps the provider contract`, () => {
    test('an ensured instance runs and is found again as what was asked for', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable } = await open(context);
      const spec = specOf(runnable, { release: 7, token: 'r7.web.0', role: 'standby' });
      const made = await ensureInstance(provider, spec, first, signal, quick);
      const found = await look(() => provider.get(testScope, made.id, signal));
      for (const instance of [made, found]) {
        expect(instance).toMatchObject({
          token: 'r7.web.0',
          release: 7,
          group: 'web',
          kind: 'web',
          role: 'standby',
          artifactDigest: runnable.artifact.digest,
          restarts: 0,
        });
      }
      expect(found?.state).toBe('running');
      expect(found?.address?.port).toBeGreaterThan(0);
      const listed = await look(() => provider.list(testScope, signal));
      expect(listed.map(({ id }) => id)).toEqual([made.id]);
    });

    test('ensuring twice leaves one, and tokens tell instances apart', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable, census } = await open(context);
      const one = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      const again = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      const other = await ensureInstance(provider, specOf(runnable, { token: 'r1.web.1' }), first, signal, quick);
      expect(again.id).toBe(one.id);
      expect(other.id).not.toBe(one.id);
      expect((await census(testScope)).map(({ token }) => token).sort()).toEqual(['r1.web.0', 'r1.web.1']);
    });

    test('of two with one token the oldest stays', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable, census } = await open(context);
      const oldest = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      await look(() => provider.create(specOf(runnable), first, signal));
      await sleep(provider.limits.listLagMs + 5, signal);
      const kept = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      expect(kept.id).toBe(oldest.id);
      expect((await census(testScope)).map(({ id }) => id)).toEqual([oldest.id]);
    });

    test('a stopped instance stays known; stopping again, and stopping nothing, succeed', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable } = await open(context);
      const { id } = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      await look(() => provider.stop(testScope, id, first, signal));
      await look(() => provider.stop(testScope, id, first, signal));
      await look(() => provider.stop(testScope, 'nobody', first, signal));
      const after = await look(() => provider.get(testScope, id, signal));
      expect(after?.state).toBe('stopped');
      expect(after?.lastExit?.reason).toBe('requested');
      // A token names one instance for ever.
      const found = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      expect(found).toMatchObject({ id, state: 'stopped' });
    });

    test('a destroyed instance is gone; destroying again, and destroying nothing, succeed', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable, census } = await open(context);
      const { id } = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      await ensureDestroyed(provider, testScope, id, first, signal, quick);
      await ensureDestroyed(provider, testScope, id, first, signal, quick);
      await ensureDestroyed(provider, testScope, 'nobody', first, signal, quick);
      expect(await look(() => provider.get(testScope, id, signal))).toBeUndefined();
      expect(await census(testScope)).toEqual([]);
    });

    test('a role is told and reported; telling an unknown instance is an error', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable } = await open(context);
      const spec = specOf(runnable, { kind: 'worker', group: 'worker', token: 'r1.worker.0', role: 'standby' });
      const { id, role } = await ensureInstance(provider, spec, first, signal, quick);
      expect(role).toBe('standby');
      for (const next of ['active', 'active', 'draining'] as const) {
        await look(() => provider.setRole(testScope, id, next, first, signal));
        expect((await look(() => provider.get(testScope, id, signal)))?.role).toBe(next);
      }
      const lost = look(() => provider.setRole(testScope, 'nobody', 'active', first, signal));
      await expect(lost).rejects.toMatchObject({ code: 'provider.gone' });
    });

    test('a lower epoch changes nothing', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable, census } = await open(context);
      const { id } = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      await look(() => provider.setRole(testScope, id, 'draining', second, signal));
      const late = [
        () => provider.create(specOf(runnable, { token: 'r2.web.0' }), first, signal),
        () => provider.setRole(testScope, id, 'active', first, signal),
        () => provider.stop(testScope, id, first, signal),
        () => provider.destroy(testScope, id, first, signal),
        () => provider.supervise(testScope, first, signal),
        () => ensureDestroyed(provider, testScope, id, first, signal, quick),
      ];
      for (const call of late) await expect(call()).rejects.toMatchObject({ code: 'lease.fenced' });
      expect(await census(testScope)).toMatchObject([{ id, state: 'running', role: 'draining' }]);
    });

    test('a supervisor whose epoch is over stops by itself', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable } = await open(context);
      const { id } = await ensureInstance(provider, specOf(runnable), first, signal, quick);
      const over = expect(provider.supervise(testScope, first, signal)).rejects.toMatchObject({ code: 'lease.fenced' });
      await look(() => provider.setRole(testScope, id, 'draining', second, signal));
      await over;
    });

    test('supervision ends when it is told to', async (context) => {
      const { provider } = await open(context);
      const told = new AbortController();
      let ended = false;
      const watching = provider.supervise(testScope, first, told.signal).then(() => (ended = true));
      await sleep(5, context.signal);
      context.expect(ended).toBe(false);
      told.abort();
      await watching;
    });

    test('another environment is neither seen nor touched', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable, census } = await open(context);
      const elsewhere: Scope = { app: 'growth', environment: 'staging' };
      const { id } = await ensureInstance(provider, specOf(runnable, { scope: elsewhere }), second, signal, quick);
      expect(await look(() => provider.list(testScope, signal))).toEqual([]);
      expect(await look(() => provider.get(testScope, id, signal))).toBeUndefined();
      // An epoch counts in its own environment only.
      await ensureDestroyed(provider, testScope, id, first, signal, quick);
      expect(await census(elsewhere)).toMatchObject([{ id, state: 'running' }]);
    });

    test('an aborted call does nothing', async (context) => {
      const { expect } = context;
      const { provider, runnable, census } = await open(context);
      const aborted = AbortSignal.abort(new Error('enough'));
      const calls = [
        () => provider.list(testScope, aborted),
        () => provider.get(testScope, 'nobody', aborted),
        () => provider.create(specOf(runnable), first, aborted),
        () => provider.stop(testScope, 'nobody', first, aborted),
        () => provider.destroy(testScope, 'nobody', first, aborted),
        () => ensureInstance(provider, specOf(runnable), first, aborted, quick),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow('enough');
      expect(await census(testScope)).toEqual([]);
    });

    test('logs end at their end, or when aborted while following', async (context) => {
      const { expect, signal } = context;
      const { provider, runnable } = await open(context);
      await ensureInstance(provider, specOf(runnable), first, signal, quick);
      for await (const line of provider.logs(testScope, { tail: 10, follow: false }, signal)) {
        expect(line.group).toBe('web');
      }
      const told = new AbortController();
      const following = (async () => {
        for await (const line of provider.logs(testScope, { tail: 0, follow: true }, told.signal)) {
          expect(line.group).toBe('web');
        }
      })();
      await sleep(5, signal);
      told.abort();
      await following;
    });
  });
}

/** Repeats a call on a bad day. */
async function look<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (asTowpathError(error).remedy !== 'retry') throw error;
      await sleep(5);
    }
  }
}
