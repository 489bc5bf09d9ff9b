import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import {
  EvidenceCheck,
  Failure,
  LedgerEntry,
  Plan,
  PlanRequest,
  RolloutRequest,
  RolloutView,
  SignalAnswer,
  SignalRequest,
  Status,
} from '@towpath/wire';
import { TowpathError } from '../kernel/index.ts';
import { control, inputOf, viewEnvironment, viewRollout } from '../release/index.ts';
import { answerError, badRequest } from './errors.ts';
import { rolloutEvents } from './events.ts';
import type { ApiNeeds, Served } from './needs.ts';

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});
const failure = { default: json(Failure, 'What went wrong, and what to do next.') };
const RolloutId = z.object({ id: z.coerce.number().int().positive() });
const ShutdownRequest = z.object({ instances: z.boolean().default(false), force: z.boolean().default(false) });
const LogsQuery = z.object({
  environment: z.string(),
  group: z.string().optional(),
  instance: z.string().optional(),
  release: z.coerce.number().int().optional(),
  tail: z.coerce.number().int().min(0).max(100_000).default(100),
  follow: z.enum(['true', 'false']).default('false'),
});

/** The one door: HTTP and SSE over the modules. No logic of its own. */
export function createApi(needs: ApiNeeds): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) {
        throw badRequest(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
      }
    },
  });
  app.onError((error, context) => answerError(needs.log, error, context));
  app.notFound((context) =>
    answerError(
      needs.log,
      new TowpathError('api.unknown_path', `there is nothing at ${context.req.path}`, {
        remedy: 'fix-input',
        hint: 'GET /v1/openapi.json lists what there is',
      }),
      context,
    ),
  );

  const served = (name: string): Served => {
    const found = needs.environments.get(name);
    if (found !== undefined) return found;
    throw new TowpathError('api.unknown_environment', `the app has no environment "${name}"`, {
      remedy: 'fix-input',
      hint: `use one of: ${[...needs.environments.keys()].join(', ')}`,
    });
  };
  const findRollout = async (id: number) => {
    for (const one of needs.environments.values()) {
      const run = await one.environment.runs.run(id);
      if (run !== undefined && run.subject === `${one.environment.scope.app}/${one.environment.scope.environment}`) {
        return { one, run };
      }
    }
    throw new TowpathError('api.unknown_rollout', `there is no rollout ${id}`, {
      remedy: 'fix-input',
      hint: 'see `towpath status` for the last one',
    });
  };

  app.get('/v1/health', (context) => context.json({ ok: true, ...needs.control }));

  app.openapi(
    createRoute({ method: 'get', path: '/v1/status', responses: { 200: json(Status, 'What is.'), ...failure } }),
    async (context) => {
      const environments = await Promise.all(
        [...needs.environments.values()].map((one) =>
          viewEnvironment(
            one.environment,
            { url: one.url(), reportOf: one.reportOf, testHeader: one.testHeader },
            context.req.raw.signal,
          ),
        ),
      );
      const leader = [...needs.environments.values()].every((one) => one.leads());
      return context.json(
        { app: needs.app, control: { ...needs.control, leader }, database: needs.database, environments },
        200,
      );
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/plans',
      request: { body: { content: { 'application/json': { schema: PlanRequest } }, required: true } },
      responses: { 200: json(Plan, 'What a deploy would do.'), ...failure },
    }),
    async (context) => {
      const ask = context.req.valid('json');
      const { environment } = served(ask.environment);
      const plan = await environment.plan(await needs.resolve(ask.source), ask.reason, context.req.raw.signal);
      return context.json(
        {
          hash: plan.hash,
          environment: ask.environment,
          from: plan.from?.number ?? null,
          to: plan.to,
          reason: ask.reason,
          artifact: plan.artifact,
          steps: plan.described.steps,
          migrations: plan.pending.map((file) => ({ name: file.name, sha256: file.sha256 })),
          extra: { instances: plan.extraInstances, memoryMb: plan.extraMemoryMb },
          pointsOfNoReturn: plan.described.pointsOfNoReturn,
          warnings: [...plan.warnings],
        },
        200,
      );
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/rollouts',
      request: { body: { content: { 'application/json': { schema: RolloutRequest } }, required: true } },
      responses: { 202: json(RolloutView, 'It has begun, or waits for its turn.'), ...failure },
    }),
    async (context) => {
      const ask = context.req.valid('json');
      const one = served(ask.environment);
      const run = await one.environment.begin(
        { ...ask, source: await needs.resolve(ask.source) },
        context.req.raw.signal,
      );
      return context.json(await viewRollout(one.environment, run, one.reportOf), 202);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/rollouts/{id}',
      request: { params: RolloutId },
      responses: { 200: json(RolloutView, 'One rollout.'), ...failure },
    }),
    async (context) => {
      const { one, run } = await findRollout(context.req.valid('param').id);
      return context.json(await viewRollout(one.environment, run, one.reportOf), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/rollouts/{id}/events',
      request: { params: RolloutId, query: z.object({ after: z.coerce.number().int().min(0).default(0) }) },
      responses: { 200: { description: 'SSE of ledger entries; ends with the event `end`.' }, ...failure },
    }),
    async (context) => {
      const { one, run } = await findRollout(context.req.valid('param').id);
      const resumed = Number(context.req.header('last-event-id') ?? 0);
      return rolloutEvents(needs, one, run.id, Math.max(context.req.valid('query').after, resumed), context);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/environments/{environment}/signals',
      request: {
        params: z.object({ environment: z.string() }),
        body: { content: { 'application/json': { schema: SignalRequest } }, required: true },
      },
      responses: { 200: json(SignalAnswer, 'What will happen.'), ...failure },
    }),
    async (context) => {
      const { environment } = served(context.req.valid('param').environment);
      return context.json(await control(environment, context.req.valid('json'), context.req.raw.signal), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/logs',
      request: { query: LogsQuery },
      responses: { 200: { description: 'SSE of log lines.' }, ...failure },
    }),
    (context) => {
      const { environment: name, follow, tail, group, instance, release } = context.req.valid('query');
      const { environment } = served(name);
      const query = {
        tail,
        follow: follow === 'true',
        ...(group === undefined ? {} : { group }),
        ...(instance === undefined ? {} : { instance }),
        ...(release === undefined ? {} : { release }),
      };
      return streamSSE(context, async (stream) => {
        const gone = new AbortController();
        stream.onAbort(() => gone.abort());
        for await (const line of environment.provider.logs(environment.scope, query, gone.signal)) {
          await stream.writeSSE({ data: JSON.stringify({ ...line, at: new Date(line.at).toISOString() }) });
        }
        await stream.writeSSE({ event: 'end', data: '{}' });
      });
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/evidence/verify',
      responses: { 200: json(EvidenceCheck, 'Whether the ledger is whole.'), ...failure },
    }),
    async (context) => {
      const { intact, rows, head, problems } = await needs.ledger.verify();
      return context.json({ intact, rows, head, problems: problems.map((one) => ({ ...one })) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/evidence',
      request: {
        query: z.object({
          rollout: z.coerce.number().int().optional(),
          environment: z.string().optional(),
          after: z.coerce.number().int().min(0).default(0),
          limit: z.coerce.number().int().min(1).max(5000).default(1000),
        }),
      },
      responses: { 200: json(z.object({ entries: z.array(LedgerEntry) }), 'Rows of the ledger, by seq.'), ...failure },
    }),
    async (context) => {
      const { rollout, environment, after, limit } = context.req.valid('query');
      const entries = await needs.ledger.read({
        after,
        limit,
        ...(rollout === undefined ? {} : { rollout }),
        ...(environment === undefined ? {} : { scope: served(environment).environment.scope }),
      });
      return context.json({ entries: entries.map((entry) => ({ ...entry })) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/reports/{id}',
      request: { params: RolloutId },
      responses: {
        200: json(z.object({ markdown: z.string(), html: z.string() }), 'Where the report is.'),
        ...failure,
      },
    }),
    async (context) => {
      const { one, run } = await findRollout(context.req.valid('param').id);
      if (run.endedAt === null) {
        throw new TowpathError(
          'rollout.not_ended',
          `rollout ${run.id} to release ${inputOf(run).to} is still under way`,
          {
            remedy: 'retry',
            hint: 'its report is written when it has ended: `towpath status`',
          },
        );
      }
      return context.json({ ...one.reportOf(run.id) }, 200);
    },
  );

  app.post('/v1/shutdown', async (context) => {
    const { instances, force } = ShutdownRequest.parse(await context.req.json().catch(() => ({})));
    if (instances && !force) {
      for (const { environment } of needs.environments.values()) {
        const { app: name, environment: where } = environment.scope;
        const active = await environment.runs.active(`${name}/${where}`);
        if (active === undefined) continue;
        throw new TowpathError('rollout.under_way', `rollout ${active.id} is under way in ${where}`, {
          remedy: 'retry',
          hint: 'wait for its end, or stop it with `towpath abort`; then `towpath down`',
        });
      }
    }
    needs.shutdown(instances);
    return context.json({ ok: true });
  });
  app.doc31('/v1/openapi.json', { openapi: '3.1.0', info: { title: 'Towpath', version: needs.control.version } });
  return app;
}
