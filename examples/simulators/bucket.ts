/** Points per second by Shopify plan, and how many may be saved up. */
export const PLANS = {
  standard: { restoreRate: 100, maximumAvailable: 2000 },
  advanced: { restoreRate: 200, maximumAvailable: 4000 },
  plus: { restoreRate: 1000, maximumAvailable: 20_000 },
  enterprise: { restoreRate: 2000, maximumAvailable: 40_000 },
} as const;
export type Plan = keyof typeof PLANS;
export const isPlan = (text: string): text is Plan => text in PLANS;

export interface ThrottleStatus {
  readonly maximumAvailable: number;
  readonly currentlyAvailable: number;
  readonly restoreRate: number;
}

/** A leaky bucket. @param now milliseconds, from a clock that does not jump */
export function createBucket(
  plan: { readonly restoreRate: number; readonly maximumAvailable: number },
  now: () => number = () => performance.now(),
): { take(points: number): boolean; status(): ThrottleStatus; empty(): void } {
  let available = plan.maximumAvailable;
  let at = now();
  const refill = (): void => {
    const passed = (now() - at) / 1000;
    at = now();
    available = Math.min(plan.maximumAvailable, available + passed * plan.restoreRate);
  };
  return {
    take(points) {
      refill();
      if (points > available) return false;
      available -= points;
      return true;
    },
    status() {
      refill();
      return { ...plan, currentlyAvailable: Math.floor(available) };
    },
    empty() {
      refill();
      available = 0;
    },
  };
}
