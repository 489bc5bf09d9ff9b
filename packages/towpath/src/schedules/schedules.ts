import { sleep } from '../system/index.ts';
import type { CronGroupNow, Generation, ScheduleNeeds, Schedules } from './model.ts';
import { finishTick, isFenced, isOver, tickIdOf, type Turn } from './run-tick.ts';
import { consideredUntil, forgetGroups, insertTicks, lastDoneTokens, openTicks, setConsidered } from './store.ts';
import { nextTick, ticksBetween } from './ticks.ts';

// A sleep is cut into pieces, so that a wall clock that jumps (a suspended machine) is seen soon.
const LONGEST_SLEEP_MS = 30_000;
const AGAIN_MS = 1000;
/** More missed ticks than this are not listed one by one. */
const MOST_SKIPPED = 1000;
const MOST_DUE = 10_000;
const SAID_SKIPPED = 20;

/** Fires the ticks of one environment's cron groups, each once. */
export function createSchedules(needs: ScheduleNeeds): Schedules {
  let wake = new AbortController();
  const nap = async (ms: number, signal: AbortSignal): Promise<void> => {
    await sleep(Math.max(0, Math.min(ms, LONGEST_SLEEP_MS)), AbortSignal.any([signal, wake.signal])).catch(() => {});
    signal.throwIfAborted();
  };
  const woken = (): void => {
    if (wake.signal.aborted) wake = new AbortController();
  };

  return {
    changed: () => wake.abort(),

    async inHand(release) {
      const open = await openTicks(needs.database, needs.scope);
      return open.flatMap(({ token, group, tick, attempt, release: of }) =>
        token === undefined || of !== release
          ? []
          : [{ token, group, tick, tickId: tickIdOf(needs, group, tick), attempt, release }],
      );
    },

    async run(current, epoch, outer) {
      const over = new AbortController();
      const signal = AbortSignal.any([outer, over.signal]);
      const lines = new Map<string, Promise<void>>();
      let replaced: Error | undefined;
      const give = (error: unknown): void => {
        if (signal.aborted) return;
        if (isFenced(error)) {
          replaced = error;
          over.abort(error);
        } else {
          needs.onError(error);
        }
      };
      let last: Generation | undefined;
      const read = async (): Promise<Generation | undefined> => {
        const now = await current();
        last = now ?? last;
        return now;
      };
      const turn: Turn = {
        epoch,
        signal,
        async generation() {
          for (;;) {
            const now = await read();
            if (now !== undefined) return now;
            await sleep(AGAIN_MS / 10, signal);
          }
        },
        lastKnown: async () => (await read()) ?? last,
      };
      /** Works off the open ticks of a group, one after the other. */
      const line = async (group: string): Promise<void> => {
        while (!signal.aborted) {
          try {
            const next = (await openTicks(needs.database, needs.scope)).find((tick) => tick.group === group);
            if (next === undefined) return;
            await finishTick(needs, next, turn);
          } catch (error) {
            // Another controller, which lost its lease since, was a moment faster.
            if (isOver(error)) continue;
            give(error);
            await sleep(AGAIN_MS, signal).catch(() => {});
          }
        }
      };
      const kick = async (): Promise<void> => {
        const groups = new Set((await openTicks(needs.database, needs.scope)).map((tick) => tick.group));
        for (const group of groups) {
          if (lines.has(group)) continue;
          lines.set(
            group,
            line(group).finally(() => lines.delete(group)),
          );
        }
      };

      const tidy = async (): Promise<void> => {
        for (const token of await lastDoneTokens(needs.database, needs.scope)) {
          await needs.forget(token, epoch, signal);
        }
      };
      try {
        await tidy().catch(give);
        while (!signal.aborted) {
          woken();
          let rest = LONGEST_SLEEP_MS;
          try {
            const generation = await read();
            if (generation !== undefined) rest = await claimDue(needs, generation, epoch);
            await kick();
          } catch (error) {
            give(error);
            rest = AGAIN_MS;
          }
          await nap(rest, signal).catch(() => {});
        }
      } finally {
        over.abort();
        await Promise.all(lines.values());
      }
      if (replaced !== undefined) throw replaced;
    },
  };
}

/** Claims what is due of all groups. @returns milliseconds until the next tick */
async function claimDue(needs: ScheduleNeeds, generation: Generation, epoch: number): Promise<number> {
  await needs.fenceCheck();
  await forgetGroups(
    needs.database,
    needs.scope,
    generation.groups.map(({ group }) => group),
  );
  let rest = LONGEST_SLEEP_MS;
  for (const group of generation.groups) {
    try {
      rest = Math.min(rest, await claimGroup(needs, group, generation.release, epoch));
    } catch (error) {
      if (isFenced(error)) throw error;
      // One broken schedule does not stop the others.
      needs.onError(error);
    }
  }
  return rest;
}

async function claimGroup(
  needs: ScheduleNeeds,
  { group, schedule, catchUpMs }: CronGroupNow,
  release: number,
  epoch: number,
): Promise<number> {
  const { scope } = needs;
  const now = needs.clock.now();
  const fresh = { claimed: [] as readonly number[], skipped: [] as readonly number[] };
  await needs.database.transaction(async (tx) => {
    const known = await consideredUntil(tx, scope, group, schedule, now);
    // After a clock that jumped back: go on from now. Ticks that exist are not made again.
    const from = Math.min(known, now);
    const oldest = now - catchUpMs;
    const missed = ticksBetween(schedule, from, Math.min(oldest - 1, now), MOST_SKIPPED);
    const due = ticksBetween(schedule, Math.max(from, oldest - 1), now, MOST_DUE);
    const late = { release, epoch, because: `missed by more than catchUp (${catchUpMs} ms)` };
    fresh.skipped = await insertTicks(tx, scope, group, missed, 'skipped', late);
    fresh.claimed = await insertTicks(tx, scope, group, due, 'claimed', { release, epoch, because: '' });
    await setConsidered(tx, scope, group, now);
  });
  const about = { group, release, attempt: 1 };
  for (const tick of fresh.skipped.slice(0, SAID_SKIPPED)) {
    const because = `missed by more than catchUp (${catchUpMs} ms)`;
    await needs.record({ ...about, at: new Date(tick).toISOString(), event: 'skipped', because });
  }
  const more = fresh.skipped.slice(SAID_SKIPPED);
  const last = more.at(-1);
  if (last !== undefined) {
    const because = `so were ${more.length} more up to this one${more.length + SAID_SKIPPED >= MOST_SKIPPED ? ', and later ones' : ''}`;
    await needs.record({ ...about, at: new Date(last).toISOString(), event: 'skipped', because });
  }
  for (const tick of fresh.claimed) {
    await needs.record({
      ...about,
      at: new Date(tick).toISOString(),
      event: 'claimed',
      because: `due by "${schedule}"`,
    });
  }
  return (nextTick(schedule, now) ?? now + LONGEST_SLEEP_MS) - needs.clock.now();
}
