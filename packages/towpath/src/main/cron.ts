import type { Config } from '../config/index.ts';
import { asTowpathError, TowpathError, type Fence, type Scope } from '../kernel/index.ts';
import { ensureDestroyed, ensureInstance, type ExitFact, type Instance, type Provider } from '../providers/index.ts';
import { instanceSpec, type Cron, type Environment } from '../release/index.ts';
import { createSchedules, type Generation, type RunState, type Schedules } from '../schedules/index.ts';
import { sql, systemClock, type Database, type Log } from '../system/index.ts';
import type { Ledger } from '../evidence/index.ts';
import type { Databases } from './databases.ts';

export interface CronParts {
  readonly scope: Scope;
  readonly provider: Provider;
  readonly database: Database;
  readonly databases: Databases;
  readonly ledger: Ledger;
  readonly log: Log;
  /** Read late: the environment is made of this. */
  readonly releases: () => Environment['store'];
}

const POLL_MS = 200;
const OUTSIDE = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];

/** Connects the schedule of ticks with the provider: a run is an instance that is never restarted. */
export function createCron(parts: CronParts): Cron {
  const { scope, provider, log, ledger } = parts;
  let schedules: Schedules | undefined;

  const find = async (token: string, signal: AbortSignal): Promise<Instance | undefined> =>
    (await provider.list(scope, signal)).find((instance) => instance.token === token);

  const remove = async (instance: Instance, fence: Fence, signal: AbortSignal): Promise<void> => {
    await ensureDestroyed(provider, scope, instance.id, fence, signal);
  };

  const fenced = (fence: Fence) => async (): Promise<void> => {
    const [row] = await parts.database.query(
      sql`select epoch from towpath.lease where key = ${`${scope.app}/${scope.environment}`}`,
    );
    if (Number(row?.['epoch']) === fence.epoch) return;
    throw new TowpathError('lease.fenced', 'the lease has passed to another controller', {
      remedy: 'retry',
      hint: 'nothing to do: the controller that holds it goes on',
    });
  };

  return {
    changed: () => schedules?.changed(),
    async run(current, fence, signal) {
      schedules = createSchedules({
        scope,
        database: parts.database,
        clock: systemClock,
        pollMs: POLL_MS,
        listLagMs: provider.limits.listLagMs,
        async start(run, epoch, startSignal) {
          const release = await parts.releases().get(run.release);
          const spec = instanceSpec(scope, release, run.group, run.token, 'active', {
            ...(await parts.databases.values(scope.environment, release.config)),
            TOWPATH_TICK: new Date(run.tick).toISOString(),
            TOWPATH_TICK_ID: run.tickId,
            TOWPATH_TICK_ATTEMPT: String(run.attempt),
          });
          await ensureInstance(provider, spec, { epoch }, startSignal);
        },
        async observe(token, lookSignal): Promise<RunState> {
          const instance = await find(token, lookSignal);
          if (instance === undefined) return 'gone';
          if (instance.state === 'starting' || instance.state === 'running' || instance.state === 'stopping')
            return 'running';
          return endOf(instance.lastExit);
        },
        async stop(token, epoch, stopSignal) {
          const instance = await find(token, stopSignal);
          if (instance !== undefined) await remove(instance, { epoch }, stopSignal);
        },
        async forget(token, epoch, forgetSignal) {
          const instance = await find(token, forgetSignal);
          if (instance !== undefined) await remove(instance, { epoch }, forgetSignal);
        },
        fenceCheck: fenced(fence),
        async record(event) {
          await ledger.record({ kind: 'tick', body: { ...event } }, { scope, actor: 'keeper' });
        },
        onError: (error) => log.warn('cron', { message: asTowpathError(error).message }),
      });
      const generation = async (): Promise<Generation | undefined> => {
        const now = await current();
        return now === undefined ? undefined : { release: now.release, groups: cronGroups(now.config) };
      };
      await schedules.run(generation, fence.epoch, signal);
    },
  };
}

function endOf(exit: ExitFact | undefined): Exclude<RunState, 'running'> {
  // An end that nobody saw may have been any: the tick is run again, and the app knows it by its id.
  if (exit === undefined || exit.reason === 'unseen') return 'gone';
  if (exit.code !== undefined) return { exit: exit.code };
  // What a person, a supervisor or a machine that stops does. A crash has other signals: SEGV, ABRT, BUS.
  return exit.reason === 'signalled' && OUTSIDE.includes(exit.signal ?? '') ? 'killed' : { exit: 1 };
}

const cronGroups = (config: Config): Generation['groups'] =>
  Object.entries(config.processes).flatMap(([group, declared]) =>
    declared.kind !== 'cron'
      ? []
      : [
          {
            group,
            schedule: declared.schedule,
            timeoutMs: declared.timeout,
            retries: declared.retries,
            catchUpMs: declared.catchUp,
          },
        ],
  );
