import { differenceInterval } from './interval.ts';
import type { Arm, Judge, JudgeInput, JudgeRules, Verdict } from './model.ts';

/**
 * The simple judge: failure shares alone. Regressed needs all of three: enough failures to speak of, a
 * share beyond what the rules allow, and a difference that is not chance at the one-sided 99 % level.
 */
export const simpleJudge: Judge = (input: JudgeInput, rules: JudgeRules): Verdict => {
  const { candidate, baseline } = input;
  const say = (kind: Verdict['kind'], because: string): Verdict => ({ kind, because, input });
  if (!input.measurable) {
    return say(
      'unmeasurable',
      `the requests could not be counted: ${input.unmeasurableBecause ?? 'no reason was given'}`,
    );
  }
  const odd = [candidate, ...(baseline === undefined ? [] : [baseline])].find((arm) => !plausible(arm));
  if (odd !== undefined) {
    return say('unmeasurable', `the counts of release ${odd.release} cannot be right: ${counts(odd)}`);
  }
  // A baseline that no request reached says nothing about today; the candidate is judged alone then.
  const old = baseline !== undefined && baseline.requests > 0 ? baseline : undefined;
  for (const arm of [candidate, ...(old === undefined ? [] : [old])]) {
    if (arm.requests < rules.minRequests) {
      return say(
        'insufficient',
        `release ${arm.release} had ${arm.requests} of the ${rules.minRequests} requests that a verdict needs`,
      );
    }
  }
  const regressed = whyRegressed(candidate, old, rules);
  if (regressed !== undefined) return say('regressed', regressed);
  if (old === undefined) {
    return say(
      'healthy',
      `${counts(candidate)}; allowed is ${points(rules.maxFailureIncrease)} %, and there is no old release with traffic to compare with`,
    );
  }
  const shared = share(old) * 100 > rules.maxFailureIncrease && share(candidate) * 100 > rules.maxFailureIncrease;
  return say(
    'healthy',
    shared
      ? `${counts(candidate)}, but the old one fails as well: ${counts(old)}; what both show is not this release's doing`
      : `${counts(candidate)}; ${counts(old)}`,
  );
};

function whyRegressed(candidate: Arm, old: Arm | undefined, rules: JudgeRules): string | undefined {
  if (candidate.failures < rules.minFailures) return undefined;
  if (old === undefined) {
    if (share(candidate) * 100 <= rules.maxFailureIncrease) return undefined;
    return `${counts(candidate)}, over the ${points(rules.maxFailureIncrease)} % that is allowed; no old release has traffic to compare with`;
  }
  const increase = (share(candidate) - share(old)) * 100;
  const sure =
    differenceInterval(
      { hits: candidate.failures, total: candidate.requests },
      { hits: old.failures, total: old.requests },
    ).lower * 100;
  if (increase <= rules.maxFailureIncrease || sure <= 0) return undefined;
  return (
    `${counts(candidate)}; ${counts(old)}: ${points(increase)} points more, over the ${points(rules.maxFailureIncrease)} allowed, ` +
    `and with 99 % confidence at least ${points(sure)} more`
  );
}

const share = (arm: Arm): number => (arm.requests === 0 ? 0 : arm.failures / arm.requests);
const plausible = (arm: Arm): boolean =>
  Number.isFinite(arm.requests) && arm.failures >= 0 && arm.failures <= arm.requests;
const points = (value: number): string => String(Number(value.toFixed(2)));
const counts = (arm: Arm): string =>
  `release ${arm.release} failed ${arm.failures} of ${arm.requests} requests (${points(share(arm) * 100)} %)`;
