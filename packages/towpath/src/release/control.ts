import { scopeKey, TowpathError } from '../kernel/index.ts';
import type { StoredRun } from '../workflow/index.ts';
import type { Environment } from './environment.ts';
import { inputOf } from './input.ts';

export interface ControlAsk {
  readonly signal: 'abort' | 'pause' | 'resume' | 'promote' | 'rollback';
  readonly actor: string;
  readonly reason: string;
  readonly release?: number | undefined;
}

export interface ControlAnswer {
  readonly answer: string;
  readonly rollout: number | null;
}

/** What a person or a program may ask of a rollout under way, or of what serves. */
export async function control(environment: Environment, ask: ControlAsk, signal: AbortSignal): Promise<ControlAnswer> {
  const subject = scopeKey(environment.scope);
  const active = await environment.runs.active(subject);
  if (ask.signal === 'rollback') return await rollback(environment, active, ask, signal);
  if (active === undefined) {
    if (ask.signal === 'resume') {
      await environment.store.liftPause();
      return { answer: 'deploys may go on', rollout: null };
    }
    throw new TowpathError('rollout.none', `no rollout is under way in ${environment.scope.environment}`, {
      remedy: 'fix-input',
      hint: 'see `towpath status`; `towpath deploy` begins one',
    });
  }
  const reason = ask.reason === '' ? `${ask.signal} by ${ask.actor}` : ask.reason;
  await environment.signal(active, { name: ask.signal, actor: ask.actor, reason });
  const { to, from } = inputOf(active);
  const answers = {
    abort: `release ${to} is being taken back${from === null ? '' : `; release ${from} goes on serving`}`,
    pause: 'the rollout stays where it is until `towpath resume`; a regression still takes it back',
    resume: 'the rollout goes on',
    promote: `release ${to} gets all the traffic now and the bake is skipped`,
  } as const;
  return { answer: answers[ask.signal], rollout: active.id };
}

/**
 * Back to the release before. During a rollout that is its undo, a routing change; after it, or once the
 * old release has begun to stop, a rollout of its own from the stored artifact.
 */
async function rollback(
  environment: Environment,
  active: StoredRun | undefined,
  ask: ControlAsk,
  signal: AbortSignal,
): Promise<ControlAnswer> {
  const reason = ask.reason === '' ? `rolled back by ${ask.actor}` : ask.reason;
  if (active !== undefined) {
    const { from, to, reason: why } = inputOf(active);
    const wanted = ask.release ?? from ?? undefined;
    if (active.status === 'undoing' && (ask.release === undefined || ask.release === from)) {
      return { answer: `release ${to} is being taken back already`, rollout: active.id };
    }
    if (why === 'deploy' && (wanted === undefined || wanted === from)) {
      try {
        await environment.signal(active, { name: 'abort', actor: ask.actor, reason });
        return { answer: `release ${to} is being taken back: traffic first`, rollout: active.id };
      } catch (error) {
        if (!(error instanceof TowpathError) || error.code !== 'workflow.committed') throw error;
      }
    }
  }
  const target = ask.release ?? (await before(environment, active));
  const run = await environment.begin(
    {
      source: { kind: 'release', release: target },
      reason: 'rollback',
      actor: ask.actor,
      wait: true,
      resumeDeploys: false,
    },
    signal,
  );
  return { answer: `release ${target} is started from its artifact and gets all the traffic`, rollout: run.id };
}

/** The release that served before the one that serves now. */
async function before(environment: Environment, active: StoredRun | undefined): Promise<number> {
  const { serving } = await environment.store.state();
  if (active !== undefined) {
    const { from } = inputOf(active);
    if (from !== null) return from;
  }
  for (const run of await environment.runs.list(scopeKey(environment.scope), 200)) {
    const { from, to } = inputOf(run);
    if (run.status === 'done' && to === serving && from !== null) return from;
  }
  throw new TowpathError('rollback.nothing_before', 'no release served before this one', {
    remedy: 'fix-input',
    hint: 'name one: `towpath rollback <release>`; see `towpath releases`',
  });
}
