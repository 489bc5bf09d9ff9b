import { z } from 'zod';
import { parseDuration } from '../kernel/index.ts';

const SIZE = /^(\d+)\s*(mb|gb)$/i;

const duration = (text: string) =>
  z
    .string()
    .refine((value) => parseDuration(value) !== undefined, {
      error: (issue) => `"${String(issue.input)}" is not a duration; write 500ms, 30s, 5m, 2h or 1d`,
    })
    .transform((value) => parseDuration(value) ?? 0)
    .prefault(text);

const memory = (text: string) =>
  z
    .string()
    .regex(SIZE, { error: (issue) => `"${String(issue.input)}" is not a size; write 256mb or 1gb` })
    .transform((value) => {
      const [, amount, unit] = SIZE.exec(value) ?? [];
      return Number(amount) * (unit?.toLowerCase() === 'gb' ? 1024 : 1);
    })
    .prefault(text);

const command = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .describe('What to run: a line as in a Procfile, or an argv array. A line with shell characters runs in sh.');

const running = {
  command,
  memory: memory('512mb').describe('An instance above this resident size is restarted, and the reason is named.'),
  stopTimeout: duration('10s').describe('Between SIGTERM and SIGKILL.'),
  env: z
    .record(z.string(), z.string())
    .default({})
    .describe('Plain variables of this group. Secrets do not belong here.'),
};

const restart = z
  .enum(['always', 'on-failure', 'never'])
  .default('always')
  .describe(
    'What to do when an instance ends by itself. Backs off from 0.5 s to 30 s; 5 ends within a minute are a crash loop.',
  );

const Web = z.strictObject({
  kind: z.literal('web'),
  ...running,
  restart,
  instances: z.int().min(1).max(50).default(1).describe('How many at the same time, for each release.'),
  port: z.int().min(1).max(65535).optional().describe('Fixed port in the app; by default a free one is given in PORT.'),
  readiness: z
    .strictObject({
      path: z.string().startsWith('/').default('/ready').describe('Answers 2xx when the instance can take requests.'),
      timeout: duration('60s').describe('An instance that is not ready by then fails the rollout.'),
      interval: duration('250ms').describe('Between two looks.'),
    })
    .prefault({}),
  drainTimeout: duration('30s').describe('How long requests in flight may take once no new ones are sent.'),
  upgradeDrainTimeout: duration('5m').describe('The same for WebSockets and event streams.'),
});

const Worker = z.strictObject({
  kind: z.literal('worker'),
  ...running,
  restart,
  instances: z.int().min(1).max(50).default(1).describe('How many at the same time.'),
  readiness: z
    .strictObject({
      timeout: duration('60s').describe('A worker that has not reported by then fails the rollout.'),
    })
    .prefault({}),
  drainTimeout: duration('60s').describe('How long jobs in hand may take once no new ones are claimed.'),
  handover: z
    .enum(['generation', 'stop-first', 'overlap'])
    .default('generation')
    .describe(
      'generation: the sdk tells the worker when it is active, old and new never claim together. stop-first: for workers without the sdk; the old ones end before the new ones start. overlap: both may run together.',
    ),
});

const Cron = z.strictObject({
  kind: z.literal('cron'),
  ...running,
  schedule: z.string().min(1).describe('Cron expression of 5 fields, or 6 with seconds, in UTC.'),
  timeout: duration('10m').describe('A run that takes longer is stopped and counts as failed.'),
  retries: z
    .int()
    .min(0)
    .max(10)
    .default(2)
    .describe(
      'How often one tick is run again after a failed run. A run that was killed from outside is run again too and uses up none of these.',
    ),
  catchUp: duration('1h').describe(
    'Ticks missed while nothing could run them are run late up to this age, then skipped and reported.',
  ),
});

export const Process = z.discriminatedUnion('kind', [Web, Worker, Cron]);

const Stage = z.union([
  z
    .number()
    .gt(0)
    .max(100)
    .transform((weight) => ({ weight })),
  z.strictObject({ weight: z.number().gt(0).max(100) }),
]);

const Health = z
  .strictObject({
    minRequests: z
      .int()
      .min(1)
      .default(50)
      .describe('Below this many requests to the new release the verdict is insufficient.'),
    maxFailureIncrease: z
      .number()
      .min(0)
      .max(100)
      .default(1)
      .describe('Percentage points by which the failure share of the new release may exceed that of the old one.'),
    minFailures: z.int().min(1).default(3).describe('Fewer failures than this never make a release regressed.'),
  })
  .prefault({});

const Rollout = z
  .strictObject({
    stages: z
      .array(Stage)
      .min(1)
      .default([{ weight: 5 }, { weight: 25 }, { weight: 50 }, { weight: 100 }])
      .refine(
        (stages) => stages.every((stage, i) => i === 0 || stage.weight > (stages[i - 1]?.weight ?? 0)),
        'stages must rise',
      )
      .refine((stages) => stages.at(-1)?.weight === 100, 'the last stage must be 100')
      .describe('Shares of traffic in percent, rising to 100.'),
    hold: duration('30s').describe('The least time at each stage, however good the verdict.'),
    deadline: duration('10m').describe('The most time at a stage without a clear verdict.'),
    onDeadline: z
      .enum(['hold', 'proceed', 'rollback'])
      .default('hold')
      .describe('What to do at the deadline when the verdict is insufficient or unmeasurable. hold waits for you.'),
    bake: duration('10m').describe('How long the old release stays warm after 100 %, still judged.'),
    health: Health,
  })
  .prefault({});

const Environment = z.strictObject({
  provider: z.enum(['local', 'fly']).default('local').describe('Where instances run.'),
  database: z
    .strictObject({
      url: z
        .string()
        .optional()
        .describe(
          'NAME of the environment variable that holds the app database URL. Without it the embedded Postgres is used.',
        ),
    })
    .prefault({}),
  env: z.record(z.string(), z.string()).default({}).describe('Plain variables for every group here.'),
  envFile: z.string().optional().describe('A dotenv file read at deploy time; its values are treated as secrets.'),
  port: z.int().min(0).max(65535).default(0).describe('Port of the router; 0 picks a free one and keeps it.'),
  stages: z.array(Stage).min(1).optional().describe('Stages of this environment, in place of rollout.stages.'),
  bake: duration('').optional().describe('Bake of this environment, in place of rollout.bake.'),
});

/** The one schema of towpath.config.ts: shape, default, limit and manual entry in one expression. */
export const ConfigSchema = z.strictObject({
  app: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,40}$/, 'use lower-case letters, digits and dashes, starting with a letter')
    .describe('Name of the app.'),
  postgres: z
    .strictObject({
      major: z
        .int()
        .min(13)
        .max(18)
        .default(15)
        .describe('Major version of production; the embedded Postgres matches it.'),
    })
    .prefault({}),
  build: z
    .strictObject({
      command: z.string().optional().describe('Run in a copy of the source after the dependencies are there.'),
      timeout: duration('10m').describe('A build that takes longer is stopped and the deploy refused.'),
      exclude: z.array(z.string()).default([]).describe('Paths (globs) that the release does not need.'),
    })
    .prefault({}),
  migrations: z
    .strictObject({
      dir: z.string().default('migrations').describe('Folder of *.sql files, applied in the order of their names.'),
      lockTimeout: duration('2s').describe(
        'lock_timeout of each attempt, so that a migration never queues up your traffic.',
      ),
      budget: duration('2m').describe('How long to go on trying for the locks before the deploy gives up.'),
      statementTimeout: duration('15m').describe('statement_timeout of a migration.'),
    })
    .optional()
    .describe('Leave it out when the app has no SQL migrations.'),
  processes: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,40}$/), Process)
    .refine((groups) => Object.keys(groups).length > 0, 'declare at least one process group')
    .describe('The process groups by name.'),
  environments: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,40}$/), Environment)
    .default({ local: Environment.parse({}) })
    .describe('Named targets.'),
  rollout: Rollout,
});

/** What a user writes. */
export type ConfigInput = z.input<typeof ConfigSchema>;
/** What the code reads: durations in milliseconds, memory in MB, every default filled in. */
export type Config = z.output<typeof ConfigSchema>;
export type ProcessGroup = Config['processes'][string];
export type WebGroup = Extract<ProcessGroup, { kind: 'web' }>;
export type WorkerGroup = Extract<ProcessGroup, { kind: 'worker' }>;
export type CronGroup = Extract<ProcessGroup, { kind: 'cron' }>;
export type EnvironmentConfig = Config['environments'][string];
