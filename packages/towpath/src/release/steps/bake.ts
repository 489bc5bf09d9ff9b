import { formatDuration } from '../../kernel/index.ts';
import { sleep } from '../../system/index.ts';
import type { Step } from '../../workflow/index.ts';
import type { BakeInput } from '../plan.ts';
import { judgeReading, proveInstances, regressed, type Mark } from './judged.ts';
import { asStep, DAY, untilLook, type StepTools } from './tools.ts';

const LOOK_MS = 500;
const SAMPLE_MS = 5000;
const WINDOW_MS = 60_000;

/** The old release stays warm while the new one, with all the traffic, is judged on. */
export function bakeStep(tools: StepTools) {
  const { needs, world, measure } = tools;
  const step: Step<BakeInput> = {
    name: 'bake',
    title: (input) => `keep release ${input.from ?? ''} warm for ${formatDuration(input.ms)}, judging on`,
    budgetMs: () => 20 * DAY,
    undoes: 'nothing',
    because: 'going back is a routing change: the old release is warm',
    async do(input, context) {
      let mark: Mark = { sum: {} };
      let marked = Number.NEGATIVE_INFINITY;
      let told = '';
      for (let looks = 1; ; looks++) {
        const reading = await measure.look(context.run, context.signal);
        await measure.sample(context.run, reading, SAMPLE_MS);
        // A window that moves: an hour of good requests must not dilute a bad minute.
        if (needs.clock.elapsed() - marked > WINDOW_MS && reading.meter !== undefined) {
          mark = reading.meter;
          marked = needs.clock.elapsed();
        }
        const verdict = await judgeReading(tools, input, mark, reading);
        if (verdict.kind !== told && (verdict.kind === 'regressed' || verdict.kind === 'healthy')) {
          told = verdict.kind;
          await needs.record(
            {
              kind: 'verdict',
              body: {
                stage: 'bake',
                weight: 100,
                verdict: verdict.kind,
                because: verdict.because,
                input: verdict.input,
              },
            },
            { scope: needs.scope, rollout: context.run, actor: 'judge' },
          );
        }
        if (verdict.kind === 'regressed') throw regressed(verdict, 'bake');
        if (looks % 4 === 0) await proveInstances(tools, input.to, context.signal);
        const { paused, promote } = context.asked();
        if (promote) return;
        if (!paused && context.age() >= input.ms) return;
        await sleep(untilLook(LOOK_MS, context.age(), [input.ms]), context.signal);
      }
    },
    async verify(input, context) {
      await proveInstances(tools, input.to, context.signal);
      return await world.proveWeights([{ release: input.to, weight: 100 }], context.signal);
    },
  };
  return asStep(step);
}
