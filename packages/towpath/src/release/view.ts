import type { EnvironmentView, InstanceView, ReleaseView, RolloutView, StepView } from '@towpath/wire';
import { scopeKey } from '../kernel/index.ts';
import type { ExitFact, Instance } from '../providers/index.ts';
import type { RouterState } from '../router/index.ts';
import type { StoredRun, StoredStep } from '../workflow/index.ts';
import type { Environment } from './environment.ts';
import { inputOf } from './input.ts';
import type { Release } from './model.ts';

const STATUS: Record<StoredRun['status'], RolloutView['status']> = {
  waiting: 'waiting',
  running: 'running',
  undoing: 'undoing',
  done: 'promoted',
  undone: 'rolled-back',
  failed: 'failed',
};

export async function viewRollout(
  environment: Environment,
  run: StoredRun,
  reportOf: (rollout: number) => { markdown: string; html: string },
): Promise<RolloutView> {
  const stored = await environment.runs.steps(run.id);
  const { steps } = environment.describe(stored);
  const { from, to, reason } = inputOf(run);
  const now = stored.find((step) => step.state === 'doing' || step.state === 'undoing');
  return {
    id: run.id,
    environment: environment.scope.environment,
    from,
    to,
    reason,
    status: STATUS[run.status],
    paused: run.paused,
    phase: phaseOf(run, now, now === undefined ? undefined : steps[now.index]?.title),
    actor: run.actor,
    startedAt: run.createdAt.toISOString(),
    endedAt: run.endedAt?.toISOString() ?? null,
    because: run.because,
    error: run.error,
    steps: stored.map((step, i): StepView => ({
      index: step.index,
      name: step.name,
      title: steps[i]?.title ?? step.name,
      undo: steps[i]?.undo ?? '',
      state: step.state,
      ms: step.since !== null && step.endedAt !== null ? step.endedAt.getTime() - step.since.getTime() : null,
    })),
    report: run.endedAt === null ? null : reportOf(run.id),
  };
}

function phaseOf(run: StoredRun, now: StoredStep | undefined, title: string | undefined): string {
  if (run.status === 'waiting') return 'waiting for the rollout before it';
  if (now !== undefined) return now.state === 'undoing' ? `taking back: ${title ?? now.name}` : (title ?? now.name);
  return STATUS[run.status];
}

export async function viewEnvironment(
  environment: Environment,
  about: {
    readonly url: string | null;
    readonly reportOf: (rollout: number) => { markdown: string; html: string };
    readonly testHeader: (release: number) => Promise<string | null>;
  },
  signal: AbortSignal,
): Promise<EnvironmentView> {
  const subject = scopeKey(environment.scope);
  const [state, instances, router, runs, releases] = await Promise.all([
    environment.store.state(),
    environment.instances(signal),
    environment.router.observe(AbortSignal.any([signal, AbortSignal.timeout(2000)])).catch(() => undefined),
    environment.runs.list(subject, 100),
    environment.store.list(20),
  ]);
  const active = runs.find((run) => run.status === 'running' || run.status === 'undoing') ?? runs[0];
  return {
    environment: environment.scope.environment,
    provider: environment.provider.name,
    url: about.url,
    serving: state.serving,
    weights: (router?.table.weights ?? []).map(({ release, weight }) => ({ release, weight })),
    router:
      router === undefined
        ? null
        : { pid: router.pid, startedAt: new Date(router.startedAt).toISOString(), lostAtRestart: router.lostAtRestart },
    trouble: environment.trouble().map((error) => error.toJSON()),
    deploysPaused: state.deploysPaused,
    instances: instances.map((instance) => viewInstance(instance, router)),
    rollout: active === undefined ? null : await viewRollout(environment, active, about.reportOf),
    releases: releases.map((release) => viewRelease(release, state.serving, runs)),
    testHeader: active !== undefined && active.endedAt === null ? await about.testHeader(inputOf(active).to) : null,
  };
}

function viewInstance(instance: Instance, router: RouterState | undefined): InstanceView {
  return {
    id: instance.id,
    release: instance.release,
    group: instance.group,
    kind: instance.kind,
    state: instance.state,
    role: instance.role,
    pid: instance.pid ?? null,
    port: instance.address?.port ?? null,
    restarts: instance.restarts,
    lastExit: instance.lastExit === undefined ? null : describeExit(instance.lastExit),
    healthy: router?.targets.find((target) => target.id === instance.id)?.healthy ?? null,
  };
}

const describeExit = (exit: ExitFact): string => {
  const how =
    exit.reason === 'memory'
      ? 'too much memory'
      : exit.reason === 'unseen'
        ? 'ended unseen'
        : exit.signal !== undefined
          ? exit.signal
          : `code ${exit.code ?? '?'}`;
  return `${how} at ${new Date(exit.at).toISOString()}`;
};

function viewRelease(release: Release, serving: number | null, runs: readonly StoredRun[]): ReleaseView {
  const active = runs.find((run) => run.endedAt === null && run.status !== 'waiting');
  const last = runs.find((run) => inputOf(run).to === release.number);
  const state = (): ReleaseView['state'] => {
    if (active !== undefined && inputOf(active).to === release.number) return 'rolling-out';
    if (serving === release.number) return 'serving';
    if (active !== undefined && inputOf(active).from === release.number) return 'warm';
    if (last === undefined) return 'built';
    return last.status === 'done' ? 'retired' : last.status === 'undone' ? 'rejected' : 'built';
  };
  return {
    release: release.number,
    artifact: release.artifact,
    source: { kind: release.source.kind, ref: release.source.ref },
    createdAt: release.createdAt.toISOString(),
    configHash: release.configHash,
    state: state(),
  };
}
