/**
 * What crosses the border between the control plane and its clients. Stable: fields are added, never
 * changed or removed. `--json` of the CLI prints these shapes.
 */
import { z } from 'zod';

export const ErrorBody = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  remedy: z.enum(['retry', 'undo', 'halt', 'fix-input']),
  id: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export const Failure = z.object({ error: ErrorBody });

export const Weight = z.object({ release: z.number(), weight: z.number() });

export const InstanceView = z.object({
  id: z.string(),
  release: z.number(),
  group: z.string(),
  kind: z.enum(['web', 'worker', 'cron']),
  state: z.enum(['starting', 'running', 'stopping', 'stopped', 'failed']),
  role: z.enum(['standby', 'active', 'draining']),
  pid: z.number().nullable(),
  port: z.number().nullable(),
  restarts: z.number(),
  lastExit: z.string().nullable(),
  healthy: z.boolean().nullable(),
});

export const StepView = z.object({
  index: z.number(),
  name: z.string(),
  title: z.string(),
  /** How it is taken back, or why not. */
  undo: z.string(),
  state: z.enum(['pending', 'doing', 'done', 'undoing', 'undone', 'failed', 'skipped']),
  ms: z.number().nullable(),
});

export const RolloutView = z.object({
  id: z.number(),
  environment: z.string(),
  from: z.number().nullable(),
  to: z.number(),
  reason: z.enum(['deploy', 'rollback']),
  status: z.enum(['waiting', 'running', 'undoing', 'promoted', 'rolled-back', 'failed']),
  paused: z.boolean(),
  phase: z.string(),
  actor: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  because: z.string().nullable(),
  /** What turned it back, with what to do about it; null when nothing did, or a person did. */
  error: ErrorBody.nullable(),
  steps: z.array(StepView),
  report: z.object({ markdown: z.string(), html: z.string() }).nullable(),
});

export const ReleaseView = z.object({
  release: z.number(),
  artifact: z.string(),
  source: z.object({ kind: z.enum(['commit', 'directory']), ref: z.string() }),
  createdAt: z.string(),
  configHash: z.string(),
  state: z.enum(['built', 'rolling-out', 'serving', 'warm', 'retired', 'rejected']),
});

export const EnvironmentView = z.object({
  environment: z.string(),
  provider: z.string(),
  url: z.string().nullable(),
  /** The release that gets most traffic. */
  serving: z.number().nullable(),
  weights: z.array(Weight),
  router: z.object({ pid: z.number(), startedAt: z.string(), lostAtRestart: z.number() }).nullable(),
  /** What the control plane cannot bring about at the moment; it tries again by itself. */
  trouble: z.array(ErrorBody),
  /** Set after a rollback by itself: the next deploy must say `--resume-deploys`, or `towpath resume` lifts it. */
  deploysPaused: z.string().nullable(),
  instances: z.array(InstanceView),
  rollout: RolloutView.nullable(),
  releases: z.array(ReleaseView),
  /** Header by which a tester reaches a release that gets no traffic: `x-towpath-release`. */
  testHeader: z.string().nullable(),
});

export const Status = z.object({
  app: z.string(),
  control: z.object({ pid: z.number(), version: z.string(), startedAt: z.string(), leader: z.boolean() }),
  database: z.string(),
  environments: z.array(EnvironmentView),
});

export const Source = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('directory'), dir: z.string() }),
  z.object({ kind: z.literal('commit'), dir: z.string(), commit: z.string() }),
  /** A release that was built before. */
  z.object({ kind: z.literal('release'), release: z.number() }),
]);

export const PlanRequest = z.object({
  environment: z.string(),
  source: Source,
  reason: z.enum(['deploy', 'rollback']).default('deploy'),
});

export const Plan = z.object({
  hash: z.string(),
  environment: z.string(),
  from: z.number().nullable(),
  to: z.number(),
  reason: z.enum(['deploy', 'rollback']),
  artifact: z.string(),
  steps: z.array(z.object({ index: z.number(), name: z.string(), title: z.string(), undo: z.string() })),
  migrations: z.array(z.object({ name: z.string(), sha256: z.string() })),
  extra: z.object({ instances: z.number(), memoryMb: z.number() }),
  pointsOfNoReturn: z.array(z.string()),
  warnings: z.array(z.string()),
});

export const RolloutRequest = PlanRequest.extend({
  actor: z.string(),
  /** Refuse unless the plan made now has this hash. */
  plan: z.string().optional(),
  /** Wait for a rollout that is under way instead of being refused. */
  wait: z.boolean().default(false),
  /** Lift the pause that a rollback by itself has set. */
  resumeDeploys: z.boolean().default(false),
});

export const SignalRequest = z.object({
  signal: z.enum(['abort', 'pause', 'resume', 'promote', 'rollback']),
  actor: z.string(),
  reason: z.string().default(''),
  /** rollback only: to this release; without it, to the one before. */
  release: z.number().optional(),
});
export const SignalAnswer = z.object({
  /** What will happen, in a sentence. */
  answer: z.string(),
  rollout: z.number().nullable(),
});

export const LogLine = z.object({
  at: z.string(),
  instance: z.string(),
  release: z.number(),
  group: z.string(),
  stream: z.enum(['out', 'err']),
  line: z.string(),
});

export const LedgerEntry = z.object({
  seq: z.number(),
  at: z.string(),
  scope: z.object({ app: z.string(), environment: z.string() }).nullable(),
  rollout: z.number().nullable(),
  actor: z.string(),
  kind: z.string(),
  body: z.record(z.string(), z.unknown()),
  previous: z.string(),
  hash: z.string(),
});

export const EvidenceCheck = z.object({
  intact: z.boolean(),
  rows: z.number(),
  head: z.string().nullable(),
  /** What is wrong and where, when it is not intact. */
  problems: z.array(z.object({ seq: z.number(), problem: z.string() })),
});

export type ErrorBody = z.infer<typeof ErrorBody>;
export type EnvironmentView = z.infer<typeof EnvironmentView>;
export type EvidenceCheck = z.infer<typeof EvidenceCheck>;
export type InstanceView = z.infer<typeof InstanceView>;
export type LedgerEntry = z.infer<typeof LedgerEntry>;
export type LogLine = z.infer<typeof LogLine>;
export type Plan = z.infer<typeof Plan>;
export type PlanRequest = z.infer<typeof PlanRequest>;
export type ReleaseView = z.infer<typeof ReleaseView>;
export type RolloutRequest = z.infer<typeof RolloutRequest>;
export type RolloutView = z.infer<typeof RolloutView>;
export type SignalAnswer = z.infer<typeof SignalAnswer>;
export type SignalRequest = z.infer<typeof SignalRequest>;
export type Source = z.infer<typeof Source>;
export type Status = z.infer<typeof Status>;
export type StepView = z.infer<typeof StepView>;
export type Weight = z.infer<typeof Weight>;
