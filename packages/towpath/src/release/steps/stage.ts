import type { Json } from '../../kernel/index.ts';
import { sleep } from '../../system/index.ts';
import type { Step, StepContext } from '../../workflow/index.ts';
import type { RolloutInput } from '../model.ts';
import { stageTitle, type StageInput } from '../plan.ts';
import { describeWeights } from '../world.ts';
import { judgeReading, proveInstances, regressed, type Mark } from './judged.ts';
import { asStep, DAY, untilLook, type StepTools } from './tools.ts';
import { TowpathError } from '../../kernel/index.ts';

const LOOK_MS = 250;
const SAMPLE_MS = 1000;

const split = (input: RolloutInput, weight: number) => [
  ...(input.from === null || weight === 100 ? [] : [{ release: input.from, weight: 100 - weight }]),
  { release: input.to, weight },
];

/** Shifts traffic to one weight and holds it there until its verdict. */
export function stageStep(tools: StepTools) {
  const { needs, world, measure } = tools;
  const { scope, clock } = needs;

  async function shift(context: StepContext, input: RolloutInput, weight: number, because: string): Promise<void> {
    const weights = split(input, weight);
    await context.effect(`send ${describeWeights(weights)}`, async (fence) => {
      const started = clock.elapsed();
      const releases = input.from === null ? [input.to] : [input.from, input.to];
      await world.route(releases, weights, input.to, fence, context.signal);
      await needs.record(
        { kind: 'traffic.shifted', body: { weights, because, ms: Math.round(clock.elapsed() - started) } },
        { scope, rollout: context.run, actor: 'engine' },
      );
    });
  }

  async function hold(input: StageInput, context: StepContext): Promise<void> {
    const mark = markOf(context.recall());
    let told = '';
    let instances = 0;
    for (;;) {
      const reading = await measure.look(context.run, context.signal);
      await measure.sample(context.run, reading, SAMPLE_MS);
      const verdict = await judgeReading(tools, input, mark, reading);
      const held = context.age();
      const { paused, promote } = context.asked();
      const late = held >= input.deadlineMs;
      if (verdict.kind !== told) {
        told = verdict.kind;
        await needs.record(
          {
            kind: 'verdict',
            body: {
              stage: `${input.weight} %`,
              weight: input.weight,
              verdict: verdict.kind,
              because: verdict.because,
              input: verdict.input,
            },
          },
          { scope, rollout: context.run, actor: 'judge' },
        );
      }
      if (verdict.kind === 'regressed') throw regressed(verdict, `${input.weight} %`);
      if (++instances % 8 === 0) await proveInstances(tools, input.to, context.signal);
      if (promote) return;
      if (!paused && held >= input.holdMs) {
        if (verdict.kind === 'healthy') return;
        if (input.onDeadline === 'proceed' && (late || input.holdMs === 0)) return;
        if (late && input.onDeadline === 'rollback') {
          throw new TowpathError(
            'rollout.undecided',
            `no clear verdict at ${input.weight} % by the deadline: ${verdict.because}`,
            {
              remedy: 'undo',
              hint: 'raise rollout.deadline or lower health.minRequests, then deploy again',
            },
          );
        }
      }
      await sleep(untilLook(LOOK_MS, context.age(), [input.holdMs, input.deadlineMs]), context.signal);
    }
  }

  const step: Step<StageInput> = {
    name: 'stage',
    title: stageTitle,
    // A stage that holds for a person has no end of its own.
    budgetMs: () => 20 * DAY,
    undoes: 'yes',
    undoRank: 0,
    undoTitle: 'all requests go to the old release again',
    async do(input, context) {
      if (context.recall() === null) {
        const { meter } = await measure.look(context.run, context.signal);
        await context.remember({ sum: meter === undefined ? {} : toJson(meter.sum) });
      }
      await shift(context, input, input.weight, 'stage');
      if (input.holdMs > 0 || input.onDeadline !== 'proceed') await hold(input, context);
    },
    verify: (input, context) => world.proveWeights(split(input, input.weight), context.signal),
    async undo(input, context) {
      if (input.from === null) {
        await context.effect('send nothing to it', (fence) => world.route([], [], undefined, fence, context.signal));
        return;
      }
      const reading = await measure.look(context.run, context.signal);
      // The last stage is taken back first, and with it all of them.
      if (
        reading.state !== undefined &&
        describeWeights(reading.state.table.weights) === describeWeights(split(input, 0))
      )
        return;
      await shift(context, input, 0, 'taken back');
      await measure.sample(context.run, reading, 0);
    },
    verifyUndone: (input, context) => world.proveWeights(input.from === null ? [] : split(input, 0), context.signal),
  };
  return asStep(step);
}

const markOf = (memory: Json): Mark => {
  // oxlint-disable-next-line no-unsafe-type-assertion -- remembered by this step from a Meter
  return (memory ?? { sum: {} }) as unknown as Mark;
};
// oxlint-disable-next-line no-unsafe-type-assertion -- counts are numbers and arrays of them
const toJson = (sum: Mark['sum']): Json => sum as unknown as Json;
