import { canonicalJson, formatDuration, sha256, type Scope, scopeKey } from '../kernel/index.ts';
import type { Config } from '../config/index.ts';
import type { NewStep } from '../workflow/index.ts';
import type { Bundle, MigrationFile, Reason, Release, RolloutInput } from './model.ts';
import { wantedOf, webGroup, workerGroups } from './wanted.ts';

export interface PlanInput {
  readonly scope: Scope;
  readonly from: Release | undefined;
  readonly to: Bundle & { readonly number: number };
  readonly reason: Reason;
  readonly pending: readonly MigrationFile[];
}

export interface RolloutPlan {
  readonly hash: string;
  readonly steps: readonly NewStep[];
  readonly extraInstances: number;
  readonly extraMemoryMb: number;
  readonly warnings: readonly string[];
}

export type StageInput = RolloutInput & {
  readonly weight: number;
  readonly holdMs: number;
  readonly deadlineMs: number;
  readonly onDeadline: Config['rollout']['onDeadline'];
};
export type BakeInput = RolloutInput & { readonly ms: number };
export type ExpandInput = RolloutInput & { readonly files: readonly string[]; readonly budgetMs: number };

/**
 * The ordered steps from one release to another. Pure: what it depends on is in its input, and the
 * hash is over all of it but the number that the release will get.
 */
export function planRollout(input: PlanInput): RolloutPlan {
  const { from, to, reason, scope } = input;
  const base: RolloutInput = { from: from?.number ?? null, to: to.number, reason, plan: null };
  const { rollout } = to.config;
  const environment = to.config.environments[scope.environment];
  const steps: NewStep[] = [];
  const add = (name: string, more: object = {}): void => void steps.push({ name, input: { ...base, ...more } });

  if (input.pending.length > 0 && to.config.migrations !== undefined) {
    const { budget, statementTimeout } = to.config.migrations;
    add('expand', {
      files: input.pending.map((file) => file.name),
      budgetMs: input.pending.length * (budget + statementTimeout),
    });
  }
  add('start');
  const web = webGroup(to.config);
  // With nothing to compare with or to go back to, stages would only delay the first release; and who
  // returns to a release known to be good wants it now.
  const stages =
    from === undefined || reason === 'rollback' ? [{ weight: 100 }] : (environment?.stages ?? rollout.stages);
  if (web !== undefined) {
    for (const { weight } of stages) {
      const judged = from !== undefined && reason === 'deploy';
      add('stage', {
        weight,
        holdMs: judged ? rollout.hold : 0,
        deadlineMs: rollout.deadline,
        onDeadline: judged ? rollout.onDeadline : 'proceed',
      });
    }
  }
  const workers = workerGroups(to.config).length > 0 || (from !== undefined && workerGroups(from.config).length > 0);
  if (workers) add('workers');
  if (hasCron(to.config) || (from !== undefined && hasCron(from.config))) add('cron');
  const bake = environment?.bake ?? rollout.bake;
  if (from !== undefined && reason === 'deploy' && bake > 0) add('bake', { ms: bake });
  if (from !== undefined) add('retire');
  else add('settle');
  add('census');

  const extra = wantedOf(to.config);
  const warnings: string[] = [];
  const lost = from?.migrations.filter((file) => !to.migrations.some((other) => other.name === file.name)) ?? [];
  if (lost.length > 0) {
    warnings.push(
      `release ${to.number} does not know ${lost.map((file) => file.name).join(', ')}: the schema keeps them, so they must be ones it can live with`,
    );
  }
  return {
    hash: sha256(
      canonicalJson({
        scope: scopeKey(scope),
        from: from === undefined ? null : { number: from.number, artifact: from.artifact, config: from.configHash },
        to: { artifact: to.artifact, config: to.configHash },
        reason,
        pending: input.pending.map((file) => ({ ...file })),
        // The number is not part of it: another build in between takes it and changes nothing else.
        steps: steps.map((step) => ({ name: step.name, input: JSON.stringify({ ...asObject(step.input), to: 0 }) })),
      }),
    ),
    steps,
    extraInstances: from === undefined ? 0 : extra.length,
    extraMemoryMb:
      from === undefined ? 0 : extra.reduce((sum, { group }) => sum + (to.config.processes[group]?.memory ?? 0), 0),
    warnings,
  };
}

const hasCron = (config: Config): boolean => Object.values(config.processes).some((group) => group.kind === 'cron');
const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

/** `5 % for at least 30s` */
export const stageTitle = (input: StageInput): string =>
  input.holdMs > 0
    ? `send ${input.weight} % of the requests to release ${input.to}, for at least ${formatDuration(input.holdMs)}, until judged healthy`
    : `send ${input.weight} % of the requests to release ${input.to}`;
