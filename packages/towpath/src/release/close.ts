import type { Fence } from '../kernel/index.ts';
import type { StoredRun, StoredStep } from '../workflow/index.ts';
import { census } from './census.ts';
import { inputOf } from './input.ts';
import type { StepTools } from './steps/tools.ts';

/**
 * What follows the end of a rollout: a census after it was taken back, the pause of further deploys when
 * it was taken back by itself, the last row of the ledger, and the report. Repeated after a crash until done.
 */
export async function closeRollout(
  tools: Omit<StepTools, 'describe'>,
  run: StoredRun,
  steps: readonly StoredStep[],
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const { needs, store, measure } = tools;
  const { scope, record } = needs;
  const about = { scope, rollout: run.id, actor: 'engine' };
  const { to } = inputOf(run);
  const { serving } = await store.state();
  if (!(await needs.isFinished(run.id))) {
    if (run.status === 'undone') {
      await record({ kind: 'census', body: await census(tools, signal) }, about);
      // By itself, and after it had traffic: what failed before that harmed nobody.
      const hadTraffic = steps.some((step) => step.name === 'stage' && step.state !== 'pending');
      if (run.error !== null && hadTraffic && serving !== null) {
        await store.setState({ deploysPaused: `release ${to} was taken back: ${run.because ?? ''}` }, fence);
      }
    }
    const outcome = run.status === 'done' ? 'promoted' : run.status === 'undone' ? 'rolled-back' : 'failed';
    await record(
      {
        kind: 'rollout.finished',
        body: {
          outcome,
          serving,
          because: run.because ?? (outcome === 'promoted' ? 'every step was proven' : ''),
          ms: (run.endedAt?.getTime() ?? needs.clock.now()) - run.createdAt.getTime(),
          releases: await measure.totals(run.id, signal),
          error: run.error,
        },
      },
      about,
    );
  }
  await needs.writeReport(run.id);
}
