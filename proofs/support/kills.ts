import { setTimeout as delay } from 'node:timers/promises';
import { startPinging } from './pinger.ts';
import type { Project } from './project.ts';

export interface Killed {
  readonly router_back_ms: number;
  readonly router_weights_changed: number;
  /** Requests that failed beyond those that were in flight in the router when it was killed. */
  readonly router_lost_beyond_in_flight: number;
  readonly router_in_flight_reported: number;
  /** Requests that failed beyond those that were in flight at the instance when it was killed. */
  readonly instance_lost_beyond_in_flight: number;
}

const RPS = 200;

/**
 * Kills the router's worker, then one of two web instances, under load, and counts what was lost.
 * @param delayMs what the app takes for an answer: with the rate it gives what can be in flight
 */
export async function killUnderLoad(project: Project, delayMs: number, notes: string[]): Promise<Killed> {
  const here = await project.here();
  const url = here.url ?? '';
  const routed = here.router;
  if (routed === null) throw new Error('there is no router to kill');
  // What is in flight at one moment, with room for a burst after a stall of this busy machine.
  const inFlight = Math.ceil((RPS * (delayMs + 50)) / 1000) + 10;

  let pinging = startPinging(url, RPS);
  await delay(1500);
  const weights = JSON.stringify(here.weights);
  const killedAt = performance.now();
  process.kill(routed.pid, 'SIGKILL');
  let backMs = Number.NaN;
  let after = here;
  while (performance.now() - killedAt < 10_000) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    if (answer?.ok === true) {
      backMs = performance.now() - killedAt;
      break;
    }
    await delay(5);
  }
  await delay(1500);
  after = await project.here();
  const first = await pinging.stop();
  notes.push(
    `router killed: ${first.failed} of ${first.sent} requests lost, ${after.router?.lostAtRestart ?? 0} reported in flight`,
  );
  if (after.router?.pid === routed.pid) notes.push('the router was not started again');

  pinging = startPinging(url, RPS);
  await delay(1000);
  const victim = after.instances.find((one) => one.kind === 'web' && one.pid !== null);
  if (victim?.pid == null) throw new Error('there is no web instance to kill');
  process.kill(victim.pid, 'SIGKILL');
  await delay(2500);
  const second = await pinging.stop();
  notes.push(`web instance killed: ${second.failed} of ${second.sent} requests lost`);
  return {
    router_back_ms: Math.round(backMs),
    router_weights_changed: JSON.stringify(after.weights) === weights ? 0 : 1,
    router_lost_beyond_in_flight: Math.max(0, first.failed - inFlight),
    router_in_flight_reported: after.router?.lostAtRestart ?? 0,
    instance_lost_beyond_in_flight: Math.max(0, second.failed - inFlight),
  };
}
