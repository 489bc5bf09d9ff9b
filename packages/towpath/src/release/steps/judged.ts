import { TowpathError } from '../../kernel/index.ts';
import type { Arm, Verdict } from '../../judge/index.ts';
import { countsOf, subtractCounts, NOTHING, type Meter } from '../meter.ts';
import type { RolloutInput } from '../model.ts';
import type { Reading } from '../measure.ts';
import type { StepTools } from './tools.ts';

/** The run's counts at the moment a stage began: what is judged is what came after. */
export type Mark = Pick<Meter, 'sum'>;

/** The judge's answer on what was counted since the mark. */
export async function judgeReading(
  { needs, store }: StepTools,
  input: RolloutInput,
  mark: Mark,
  reading: Reading,
): Promise<Verdict> {
  const release = await store.get(input.to);
  const before = (number: number) => mark.sum[String(number)] ?? NOTHING;
  const since = (number: number): Arm => ({
    release: number,
    ...subtractCounts(countsOf(reading.meter, number), before(number)),
  });
  const { health } = release.config.rollout;
  const baseline = (number: number): Arm => {
    const now = since(number);
    // At 100 % the old release gets nothing but stragglers: it is then judged by all that it did in this run.
    return now.requests >= health.minRequests ? now : { release: number, ...countsOf(reading.meter, number) };
  };
  return needs.judge(
    {
      candidate: since(input.to),
      baseline: input.from === null ? undefined : baseline(input.from),
      measurable: reading.state !== undefined,
      ...(reading.because === undefined ? {} : { unmeasurableBecause: reading.because }),
    },
    health,
  );
}

export const regressed = (verdict: Verdict, where: string): TowpathError =>
  new TowpathError('rollout.regressed', verdict.because, {
    remedy: 'undo',
    hint: 'read the report, mend the cause, and deploy again with --resume-deploys',
    details: { where },
  });

/** A new release whose instances do not stay up is taken back whatever the counts say. */
export async function proveInstances({ needs, world }: StepTools, release: number, signal: AbortSignal): Promise<void> {
  const broken = (await world.instancesOf(release, signal)).find((instance) => instance.state === 'failed');
  if (broken === undefined) return;
  throw new TowpathError('rollout.instance_crashed', `${broken.group} of release ${release} is in a crash loop`, {
    remedy: 'undo',
    hint: `see \`towpath logs --release ${release} --group ${broken.group}\` for its last lines`,
    details: { environment: needs.scope.environment },
  });
}
