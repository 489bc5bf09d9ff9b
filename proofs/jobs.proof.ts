import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView } from '@towpath/wire';
import { openDatabase, sql, type Database } from '../packages/towpath/src/system/index.ts';
import type { Proof } from './proof.ts';
import { countActions, countInterleaved, countTicks } from './support/jobs/count.ts';
import { prepareGrowth, SCHEDULE, TICK_SECONDS } from './support/jobs/growth.ts';
import { startKilling } from './support/jobs/killer.ts';
import { operate } from './support/jobs/operator.ts';
import { seeded } from './support/jobs/random.ts';
import { rollOut } from './support/jobs/rollouts.ts';

const SEED = 20_260_502;
const RECOMMENDERS = ['seo-ctr', 'metaobject', 'merch-playbook', 'guided-selling', 'web-vitals'];
/** After the last kill: for actions of killed workers to be claimed again, and for ticks that queue to be run. */
const SETTLE_MS = 300_000;

const FULL = { rollouts: 50, actions: 5000, perSecond: 9, ticks: 1000, kills: 50, every: [1500, 4500] } as const;
const QUICK = { rollouts: 3, actions: 200, perSecond: 12, ticks: 40, kills: 5, every: [1000, 3000] } as const;

export const proof: Proof = {
  name: 'jobs',
  promise:
    'While release follows release, forward and back, and instances of either generation are killed at random, every cron tick is committed once and every approved action changes the shop once.',
  bounds: [
    { figure: 'actions_lost', is: 'exactly', limit: 0, unit: 'actions' },
    { figure: 'actions_duplicated', is: 'exactly', limit: 0, unit: 'actions' },
    { figure: 'actions_extra', is: 'exactly', limit: 0, unit: 'actions' },
    { figure: 'ticks_lost', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'ticks_duplicated', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'ticks_extra', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'ticks_given_up', is: 'exactly', limit: 0, unit: 'ticks' },
    { figure: 'generations_interleaved', is: 'exactly', limit: 0, unit: 'claims' },
    { figure: 'rollouts', is: 'at least', limit: FULL.rollouts, unit: 'rollouts', fullOnly: true },
    { figure: 'actions', is: 'at least', limit: FULL.actions, unit: 'actions', fullOnly: true },
    { figure: 'ticks', is: 'at least', limit: FULL.ticks, unit: 'ticks', fullOnly: true },
    { figure: 'kills', is: 'at least', limit: FULL.kills, unit: 'kills', fullOnly: true },
  ],
  quick: true,
  minutes: { quick: 4, full: 30 },
  async run({ quick, signal, log, temporary }) {
    const work = quick ? QUICK : FULL;
    const growth = await prepareGrowth(await temporary());
    const { project, versions } = growth;
    const connections: Database[] = [];
    const notes: string[] = [`seed ${SEED}`];
    let killing: ReturnType<typeof startKilling> | undefined;
    try {
      await project.startControl();
      const [first] = await rollOut(project, versions[1], undefined);
      if (first?.status !== 'promoted') throw new Error(`the first release did not go live: ${first?.because}`);
      log('the first release serves');
      const { url } = await project.here();
      const urls = await growth.databases();
      const app = openDatabase(urls.app, { max: 2 });
      const control = openDatabase(urls.control, { max: 1 });
      connections.push(app, control);

      let serving = first.to;
      const from = Date.now();
      const operator = operate(url ?? '', { atLeast: work.actions, perSecond: work.perSecond }, signal);
      killing = startKilling({
        dir: project.dir,
        random: seeded(SEED),
        every: work.every,
        serving: () => serving,
      });
      const random = seeded(SEED + 1);
      const rollouts: RolloutView[] = [];
      const due = (): number => Math.floor((Date.now() - from) / (TICK_SECONDS * 1000)) * RECOMMENDERS.length;
      while (
        rollouts.length < work.rollouts ||
        due() < work.ticks + RECOMMENDERS.length ||
        killing.kills() < work.kills
      ) {
        signal.throwIfAborted();
        // A backward hand-over is part of the quick form too.
        const more = await rollOut(project, versions[rollouts.length % 2 === 0 ? 0 : 1], random);
        rollouts.push(...more);
        serving = (await project.here()).serving ?? serving;
        const how = more.map(
          (one) => `${one.from}->${one.to} ${one.status}${one.status === 'promoted' ? '' : ` (${one.because})`}`,
        );
        log(
          `${rollouts.length} rollouts, ${due()} ticks due, ${operator.approved.size} actions, ${killing.kills()} kills: ${how.join(', ')}`,
        );
      }
      await operator.finish();
      await killing.stop();
      const until = Date.now();
      log('no more kills; the rest is worked off');

      const ticks = await settled(SETTLE_MS, signal, async () => {
        const now = await countTicks(app, RECOMMENDERS, SCHEDULE, [from, until]);
        const actions = await countActions(growth.effectsFile, operator.approved);
        const [open] = await app.query(
          sql`select count(*)::int as n from actions where status in ('approved', 'executing')`,
        );
        return { value: now, done: now.lost.length === 0 && actions.lost.length === 0 && open?.['n'] === 0 };
      });
      const actions = await countActions(growth.effectsFile, operator.approved);
      const given = await control.query(
        sql`select grp, tick, state, because from towpath.cron_tick where state in ('failed', 'skipped')`,
      );
      const again = await control.query(sql`select count(*)::int as n from towpath.cron_tick where attempt > 1`);
      const failed = await app.query(sql`select count(*)::int as n from actions where status = 'failed'`);
      for (const [what, names] of Object.entries({
        'action lost': actions.lost,
        'action duplicated': actions.duplicated,
        'action extra': actions.extra,
        'tick lost': ticks.lost,
        'tick duplicated': ticks.duplicated,
        'tick extra': ticks.extra,
        'tick given up': given.map((row) => JSON.stringify(row)),
      })) {
        for (const name of names.slice(0, 10)) notes.push(`${what}: ${name}`);
      }
      notes.push(
        `killed: ${Object.entries(killing.victims)
          .map(([what, count]) => `${count} ${what}`)
          .join(', ')}`,
      );
      return {
        figures: {
          rollouts: rollouts.length,
          rollouts_taken_back: rollouts.filter(({ status }) => status !== 'promoted').length,
          actions: operator.approved.size,
          ticks: ticks.expected,
          kills: killing.kills(),
          actions_lost: actions.lost.length,
          actions_duplicated: actions.duplicated.length,
          actions_extra: actions.extra.length,
          ticks_lost: ticks.lost.length,
          ticks_duplicated: ticks.duplicated.length,
          ticks_extra: ticks.extra.length,
          ticks_given_up: given.length,
          generations_interleaved: await countInterleaved(app, rollouts),
          mutations_sent_again: actions.sentAgain,
          ticks_run_again: Number(again[0]?.['n']),
          actions_marked_failed: Number(failed[0]?.['n']),
        },
        notes,
      };
    } finally {
      await killing?.stop();
      await Promise.all(connections.map((database) => database.close()));
      await project.down();
      await growth.close();
    }
  },
};

/** Looks until it is done or the time is over. @returns the last look */
async function settled<T>(
  withinMs: number,
  signal: AbortSignal,
  look: () => Promise<{ readonly value: T; readonly done: boolean }>,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { value, done } = await look();
    if (done || performance.now() > deadline) return value;
    await delay(500, undefined, { signal });
  }
}
