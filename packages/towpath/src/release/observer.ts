import type { Observer } from '../workflow/index.ts';
import type { ReleaseNeeds } from './needs.ts';

/** Puts what a run does into the ledger. */
export function createObserver({ record, scope }: ReleaseNeeds): Observer {
  const about = (run: { readonly id: number }, actor = 'engine') => ({ scope, rollout: run.id, actor });
  return {
    async stepStarted(run, { index, step, title, direction, attempt }) {
      await record({ kind: 'step.started', body: { index, step, title, direction, attempt } }, about(run));
    },
    async stepDone(run, { index, step, title, direction, ms, proof }) {
      await record(
        { kind: 'step.done', body: { index, step, title, direction, ms: Math.round(ms), proof } },
        about(run),
      );
    },
    async stepFailed(run, { index, step, title, direction, ms, error }) {
      await record(
        { kind: 'step.failed', body: { index, step, title, direction, ms: Math.round(ms), error: error.toJSON() } },
        about(run),
      );
    },
    async effect(run, effect) {
      await record({ kind: 'effect', body: effect }, about(run));
    },
    async turned(run, because, actor) {
      await record({ kind: 'signal.received', body: { signal: 'turn back', reason: because } }, about(run, actor));
    },
  };
}
