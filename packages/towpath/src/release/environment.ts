import { scopeKey, TowpathError, type Scope } from '../kernel/index.ts';
import { until } from '../system/index.ts';
import { createWorkflow, type NewStep, type Operation, type StoredRun } from '../workflow/index.ts';
import { closeRollout } from './close.ts';
import { inputOf } from './input.ts';
import { createKeeper } from './keeper.ts';
import { createMeasure } from './measure.ts';
import type { Reason, Release, ReleaseSource, RolloutInput } from './model.ts';
import type { ReleaseNeeds } from './needs.ts';
import { createObserver } from './observer.ts';
import { planRollout, type RolloutPlan } from './plan.ts';
import { bakeStep } from './steps/bake.ts';
import { buildStep, planChanged } from './steps/build.ts';
import { cronStep } from './steps/cron.ts';
import { expandStep } from './steps/expand.ts';
import { censusStep, retireStep, settleStep } from './steps/finish.ts';
import { stageStep } from './steps/stage.ts';
import { startStep } from './steps/start.ts';
import type { StepTools } from './steps/tools.ts';
import { workersStep } from './steps/workers.ts';
import { createReleaseStore } from './store.ts';
import { createWorld } from './world.ts';

export type RolloutSource = ReleaseSource | { readonly kind: 'release'; readonly release: number };

export interface RolloutAsk {
  readonly source: RolloutSource;
  readonly reason: Reason;
  readonly actor: string;
  /** Refuse unless the plan made now has this hash. */
  readonly plan?: string | undefined;
  readonly wait: boolean;
  readonly resumeDeploys: boolean;
}

export interface DescribedPlan extends RolloutPlan {
  readonly from: Release | undefined;
  readonly to: number;
  readonly artifact: string;
  readonly pending: readonly { readonly name: string; readonly sha256: string }[];
  readonly described: ReturnType<StepTools['describe']>;
}

/** The steps of every rollout, by the functions that make them. */
const STEP_MAKERS = [
  buildStep,
  expandStep,
  startStep,
  stageStep,
  workersStep,
  cronStep,
  bakeStep,
  retireStep,
  settleStep,
  censusStep,
] as const;

/** Every kind of step there is, with whether it can be undone: what a crash test has to cover. */
export function stepKinds(): readonly { readonly name: string; readonly undoes: 'yes' | 'nothing' | 'never' }[] {
  // A step closes over its tools and uses none of them before it runs.
  // oxlint-disable-next-line no-unsafe-type-assertion -- see above
  const none = { needs: {}, store: {}, world: {}, measure: {} } as unknown as StepTools;
  return STEP_MAKERS.map((make) => make(none)).map(({ name, undoes }) => ({ name, undoes }));
}

/** One environment of an app: its rollouts, and what keeps it as it is meant to be between them. */
export function createEnvironment(needs: ReleaseNeeds) {
  const { scope, record } = needs;
  const subject = scopeKey(scope);
  const store = createReleaseStore(needs.database, scope);
  const world = createWorld(needs);
  const measure = createMeasure(needs, store);
  const tools: StepTools = {
    needs,
    store,
    world,
    measure,
    describe(steps) {
      const described = steps.map((step, i) => ({ index: i + 1, name: step.name, ...workflow.describe(step) }));
      return {
        steps: described.map(({ index, name, title, undo }) => ({ index, name, title, undo })),
        pointsOfNoReturn: described.flatMap((step) =>
          step.pointOfNoReturn === undefined ? [] : [`${step.title}: ${step.pointOfNoReturn}`],
        ),
      };
    },
  };
  const workflow = createWorkflow({
    ...needs,
    ttlMs: needs.leaseTtlMs,
    steps: STEP_MAKERS.map((make) => make(tools)),
    observer: createObserver(needs),
    close: async (run, lease, signal) =>
      await closeRollout(tools, run, await workflow.store.steps(run.id), lease.fence, signal),
  });
  const runs = workflow.store;
  const keeper = createKeeper(needs, store, world, async () => (await runs.active(subject)) !== undefined);

  async function plan(source: RolloutSource, reason: Reason, signal: AbortSignal): Promise<DescribedPlan> {
    const { serving } = await store.state();
    const from = serving === null ? undefined : await store.get(serving);
    const to =
      source.kind === 'release'
        ? await store.get(source.release)
        : { ...(await needs.builder.build(source, signal)), number: await store.nextNumber() };
    const pending = await needs.expand.pending(to.config, to.location, signal);
    const made = planRollout({ scope, from, to, reason, pending });
    return { ...made, from, to: to.number, artifact: to.artifact, pending, described: tools.describe(made.steps) };
  }

  /**
   * Begins a rollout, or queues it behind the one under way.
   * @throws TowpathError `rollout.locked`, `plan.changed`, `deploys.paused`, `release.unknown`
   */
  async function begin(ask: RolloutAsk, signal: AbortSignal): Promise<StoredRun> {
    // Its close is what pauses deploys after a release was taken back.
    await until('the rollout before is closed', async () => (await runs.unclosed(subject)).length === 0, {
      every: 25,
      within: 30_000,
      signal,
    });
    const state = await store.state();
    if (ask.resumeDeploys) await store.liftPause();
    else if (ask.reason === 'deploy' && state.deploysPaused !== null) {
      throw new TowpathError('deploys.paused', `deploys to ${scope.environment} are paused: ${state.deploysPaused}`, {
        remedy: 'halt',
        hint: 'mend the cause and deploy with --resume-deploys, or lift it with `towpath resume`',
      });
    }
    const active = await runs.active(subject);
    if (active !== undefined && !ask.wait) throw locked(scope, active);
    if (ask.plan !== undefined) {
      const now = await plan(ask.source, ask.reason, signal);
      if (now.hash !== ask.plan) throw planChanged(ask.plan, now.hash);
    }
    const to =
      ask.source.kind === 'release' ? (await store.get(ask.source.release)).number : await store.open(ask.source);
    const input: RolloutInput = { from: state.serving, to, reason: ask.reason, plan: ask.plan ?? null };
    const first: NewStep[] = [{ name: 'build', input: { ...input } }];
    const run = await workflow.begin({ subject, input: { ...input }, actor: ask.actor, wait: ask.wait }, first);
    if (run === undefined) {
      const holder = await runs.active(subject);
      if (holder !== undefined) throw locked(scope, holder);
      return await begin(ask, signal);
    }
    await record(
      { kind: 'rollout.started', body: { from: state.serving, to, reason: ask.reason, planHash: ask.plan ?? '' } },
      { scope, rollout: run.id, actor: ask.actor },
    );
    return run;
  }

  return {
    scope,
    store,
    plan,
    begin,
    runs,
    describe: tools.describe,
    signal: workflow.signal,
    instances: (signal: AbortSignal) => world.list(signal),
    router: needs.router,
    provider: needs.provider,
    trouble: keeper.trouble,
    /** Operates the environment whenever this controller holds its lease. */
    operate: (shutdown: AbortSignal): Operation => workflow.operate(subject, keeper.duty, shutdown),
    /** Ends every instance: `down`. Only while no rollout is under way. */
    stopAll: (epoch: number, signal: AbortSignal) => world.destroyAll(() => true, { epoch }, signal),
  };
}
export type Environment = ReturnType<typeof createEnvironment>;

const locked = (scope: Scope, run: StoredRun): TowpathError => {
  const { from, to } = inputOf(run);
  const since = run.createdAt.toISOString();
  return new TowpathError(
    'rollout.locked',
    `${run.actor} has been moving ${scope.environment} from release ${String(from ?? 'none')} to release ${to} since ${since} (rollout ${run.id})`,
    {
      remedy: 'retry',
      hint: 'wait for it with --wait, watch it with `towpath status`, or stop it with `towpath abort`',
      details: { rollout: run.id, actor: run.actor, since, from, to },
    },
  );
};
