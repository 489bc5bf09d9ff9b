/** What becomes of a request that waits in a hold. */
export type HoldOutcome = 'go' | 'late';

export interface HeldRequest {
  readonly resume: (outcome: HoldOutcome) => void;
  readonly deadline: number;
  waiting: boolean;
}

export interface HoldQueue {
  readonly size: () => number;
  /** Undefined when the queue is full. */
  add(resume: (outcome: HoldOutcome) => void): HeldRequest | undefined;
  /** Takes out one whose client has left. */
  drop(held: HeldRequest): void;
  /** Lets everybody go, in the order of arrival. */
  release(): void;
}

/** A bounded waiting room. @param limits.count requests; @param limits.ms longest wait of one request */
export function createHoldQueue(
  limits: { readonly count: number; readonly ms: number },
  elapsed: () => number,
): HoldQueue {
  let queue: HeldRequest[] = [];
  let waiting = 0;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const oldest = queue[0];
    if (timer !== undefined || oldest === undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        const now = elapsed();
        while (queue[0] !== undefined && (!queue[0].waiting || queue[0].deadline <= now)) {
          const held = queue.shift();
          if (held?.waiting) settle(held, 'late');
        }
        arm();
      },
      Math.max(1, oldest.deadline - elapsed()),
    );
  };
  const settle = (held: HeldRequest, outcome: HoldOutcome): void => {
    held.waiting = false;
    waiting--;
    held.resume(outcome);
  };
  return {
    size: () => waiting,
    add(resume) {
      if (waiting >= limits.count) return undefined;
      const held: HeldRequest = { resume, deadline: elapsed() + limits.ms, waiting: true };
      queue.push(held);
      waiting++;
      arm();
      return held;
    },
    drop(held) {
      if (!held.waiting) return;
      held.waiting = false;
      waiting--;
    },
    release() {
      const all = queue;
      queue = [];
      clearTimeout(timer);
      timer = undefined;
      for (const held of all) if (held.waiting) settle(held, 'go');
    },
  };
}
