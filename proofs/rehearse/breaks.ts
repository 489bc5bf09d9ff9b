import { spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from '../../packages/towpath/src/system/index.ts';
import type { Meddle } from './acts.ts';
import { ROLLBACK_MS, type PromiseName } from './promises.ts';
import type { Stage } from './stage.ts';

/** A way to break a promise in the world, so that what finds it can be seen to find it. */
export interface Break {
  readonly promise: PromiseName;
  /** What is done, for people. */
  readonly does: string;
  /** During which part of the rehearsal. */
  readonly when: 'good release' | 'never ready' | 'rollback by hand' | 'end';
  plant(stage: Stage, meddle: { readonly release: number }): Promise<void>;
}

export const BREAKS: readonly Break[] = [
  {
    promise: 'lost-request',
    does: 'the serving web instance is killed under load, without a drain',
    when: 'end',
    async plant(stage) {
      const traffic = await stage.load({ rps: 60 });
      await delay(1500);
      const web = (await stage.project.here()).instances.find((one) => one.kind === 'web' && one.state === 'running');
      if (web?.pid == null) throw new Error('there is no web instance to kill');
      process.kill(web.pid, 'SIGKILL');
      await delay(1500);
      await traffic.stop();
      await restored(stage, web.pid);
    },
  },
  {
    promise: 'slow-rollback',
    does: 'the control plane is stopped in the middle of the rollback',
    when: 'rollback by hand',
    async plant(stage) {
      await stage.project.killControl('SIGSTOP');
      try {
        await delay(ROLLBACK_MS + 1000, undefined, { signal: stage.signal });
      } finally {
        await stage.project.killControl('SIGCONT');
      }
    },
  },
  {
    promise: 'duplicate-job',
    does: 'an action is sent to Shopify a second time, without its key',
    when: 'end',
    async plant(stage) {
      const query =
        'mutation ($id: ID!, $key: String!, $value: String!) { metafieldsSet(metafields: [{ ownerId: $id, namespace: "growth", key: $key, type: "single_line_text_field", value: $value }]) { metafields { id } userErrors { field message } } }';
      const answer = await fetch(`${stage.shopify.url}/admin/api/2026-10/graphql.json`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-shopify-access-token': 'simulator-token' },
        body: JSON.stringify({ query, variables: { id: 'gid://shopify/Product/2', key: 'rehearsal_1', value: '1' } }),
      });
      if (!answer.ok) throw new Error(`Shopify answered ${answer.status}`);
      await answer.arrayBuffer();
    },
  },
  {
    promise: 'lost-job',
    does: 'an approved action is marked as executed without having been carried out',
    when: 'end',
    async plant(stage) {
      await (
        await stage.appDatabase()
      ).query(
        sql`insert into actions (shop_id, type, subject, title, payload, source, status)
            select shop_id, type, subject, 'Lost', payload, source, 'executed' from actions order by id limit 1`,
      );
    },
  },
  {
    promise: 'duplicate-tick',
    does: 'a tick takes effect a second time under another id',
    when: 'end',
    async plant(stage) {
      await (
        await stage.appDatabase()
      ).query(
        sql`insert into recommender_runs (recommender, tick, scheduled_at, attempt, outcome, release, started_at)
            select recommender, tick || '-again', scheduled_at, attempt, outcome, release, started_at
            from recommender_runs order by id limit 1`,
      );
    },
  },
  {
    promise: 'lost-tick',
    does: 'the effect of a tick is taken out of the database',
    when: 'end',
    async plant(stage) {
      const app = await stage.appDatabase();
      const names = stage.recommenders.map(({ name }) => name);
      const [run] = await app.query(
        sql`select id from recommender_runs r where recommender = any(${names}) and not exists
            (select 1 from recommender_runs o where o.recommender = r.recommender and o.scheduled_at = r.scheduled_at and o.id <> r.id)
            and scheduled_at > (select min(scheduled_at) + interval '10 s' from recommender_runs) order by id limit 1`,
      );
      await app.query(sql`update actions set run_id = null where run_id = ${run?.['id']}`);
      await app.query(sql`delete from recommender_runs where id = ${run?.['id']}`);
    },
  },
  {
    promise: 'never-ready-gets-request',
    does: 'a request is sent to the release that is not ready',
    when: 'never ready',
    async plant(stage, { release }) {
      for (let looks = 0; looks < 200; looks++) {
        const found = (await stage.project.here()).instances.find(
          (one) => one.release === release && one.kind === 'web',
        );
        const url = `http://127.0.0.1:${found?.port}`;
        const alive = found?.port == null ? undefined : await fetch(`${url}/live`).catch(() => undefined);
        await alive?.arrayBuffer();
        if (alive?.ok === true) return await stage.actions?.visit(`${url}/api/shops`);
        await delay(50);
      }
      throw new Error('the release that is never ready has no instance');
    },
  },
  {
    promise: 'tampered-ledger',
    does: 'a row of the ledger is changed, with its trigger off',
    when: 'end',
    async plant(stage) {
      await (
        await stage.controlDatabase()
      ).transaction(async (tx) => {
        await tx.query(sql`alter table towpath.ledger disable trigger all`);
        // As somebody would who wants to hide that a release was bad.
        const changed = await tx.query(
          sql`update towpath.ledger set content = replace(content, '"verdict":"regressed"', '"verdict":"healthy"')
              where content like '%"verdict":"regressed"%' returning seq`,
        );
        if (changed.length === 0) throw new Error('the ledger holds no verdict to change');
        await tx.query(sql`alter table towpath.ledger enable trigger all`);
      });
    },
  },
  {
    promise: 'census',
    does: 'an instance of an old release runs that nobody knows of',
    when: 'end',
    async plant(stage) {
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], {
        stdio: 'ignore',
        env: {
          ...process.env,
          TOWPATH_INSTANCE: 'forgotten',
          TOWPATH_RELEASE: '99',
          TOWPATH_GROUP: 'web',
          TOWPATH_CONTROL_FILE: path.join(stage.project.dir, '.towpath', 'forgotten'),
        },
      });
      stage.atClose(() => child.kill('SIGKILL'));
      await new Promise((resolve) => child.once('spawn', resolve));
    },
  },
  {
    promise: 'outcome',
    does: 'a person takes the good release back',
    when: 'good release',
    async plant(stage) {
      const done = await stage.project.cli(['abort', '--no-follow']);
      if (done.code !== 0) throw new Error(`towpath abort: ${done.stderr}`);
    },
  },
];

/** Waits until the keeper has started another instance in place of the one that was killed. */
async function restored(stage: Stage, killed: number): Promise<void> {
  for (let looks = 0; looks < 150; looks++) {
    stage.signal.throwIfAborted();
    const lasting = (await stage.project.here()).instances.filter((one) => one.kind !== 'cron');
    if (lasting.length === 2 && lasting.every((one) => one.state === 'running' && one.pid !== killed)) return;
    await delay(100);
  }
  throw new Error('the killed instance did not come back');
}

export const breakOf = (promise: PromiseName): Break => {
  const found = BREAKS.find((one) => one.promise === promise);
  if (found === undefined) throw new Error(`no break is known for ${promise}`);
  return found;
};

/** What meddles in a part of the rehearsal, when the break belongs there. */
export function meddling(stage: Stage, wanted: Break | undefined, when: Break['when']): Meddle | undefined {
  if (wanted?.when !== when) return undefined;
  return async (view) => {
    stage.screen.say(`! planted: ${wanted.does}`);
    await wanted.plant(stage, { release: view.to });
  };
}
