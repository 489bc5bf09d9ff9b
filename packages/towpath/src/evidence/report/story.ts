import type { FactKind, LedgerEntry } from '../model.ts';
import { ref, type Ref } from './figures.ts';

export type EntryOf<K extends FactKind> = Extract<LedgerEntry, { kind: K }>;

/** Everything about one step of a rollout, in both directions. */
export interface StepStory {
  readonly index: number;
  readonly title: Ref;
  /** How it is undone, by the plan. */
  readonly undo: Ref | undefined;
  readonly begun: readonly EntryOf<'step.started'>[];
  readonly done: EntryOf<'step.done'> | undefined;
  readonly undone: EntryOf<'step.done'> | undefined;
  readonly undoBegun: readonly EntryOf<'step.started'>[];
  readonly failed: readonly EntryOf<'step.failed'>[];
}

/** The rows of one rollout, sorted by what they say. */
export interface Story {
  readonly entries: readonly LedgerEntry[];
  readonly first: LedgerEntry;
  readonly last: LedgerEntry;
  /** Where relative times are counted from, and who asked. */
  readonly begin: LedgerEntry;
  /** Says from where to where it goes. The plan knows better than the start: a rollout may have waited for another. */
  readonly subject: EntryOf<'rollout.planned'> | EntryOf<'rollout.started'> | undefined;
  readonly from: number | null;
  readonly to: number | null;
  readonly reason: 'deploy' | 'rollback';
  readonly planned: EntryOf<'rollout.planned'> | undefined;
  readonly started: EntryOf<'rollout.started'> | undefined;
  readonly finished: EntryOf<'rollout.finished'> | undefined;
  readonly created: ReadonlyMap<number, EntryOf<'release.created'>>;
  readonly steps: readonly StepStory[];
  of<K extends FactKind>(kind: K): readonly EntryOf<K>[];
  /** The first shift that gave the new release traffic, and the last one when it took all of it away. */
  readonly given: EntryOf<'traffic.shifted'> | undefined;
  readonly taken: EntryOf<'traffic.shifted'> | undefined;
}

export function isKind<K extends FactKind>(entry: LedgerEntry, kind: K): entry is EntryOf<K> {
  return entry.kind === kind;
}

/** Undefined when there are no rows. @param entries of one rollout, and those that made its releases */
export function storyOf(entries: readonly LedgerEntry[]): Story | undefined {
  const sorted = entries.toSorted((a, b) => a.seq - b.seq);
  const of = <K extends FactKind>(kind: K): readonly EntryOf<K>[] => sorted.filter((entry) => isKind(entry, kind));
  const planned = of('rollout.planned').at(-1);
  const started = of('rollout.started').at(-1);
  const subject = planned ?? started;
  const first = sorted[0];
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const to = subject?.body.to ?? null;
  const shifts = of('traffic.shifted');
  const weightOf = (shift: EntryOf<'traffic.shifted'>): number =>
    shift.body.weights.find(({ release }) => release === to)?.weight ?? 0;
  const given = shifts.find((shift) => weightOf(shift) > 0);
  const lastShift = shifts.at(-1);
  const taken =
    given === undefined || lastShift === undefined || weightOf(lastShift) > 0
      ? undefined
      : shifts.find((shift) => shift.seq > (shifts.findLast((other) => weightOf(other) > 0)?.seq ?? 0));
  return {
    entries: sorted,
    first,
    last,
    begin: started ?? planned ?? first,
    subject,
    from: subject?.body.from ?? null,
    to,
    reason: subject?.body.reason ?? 'deploy',
    planned,
    started,
    finished: of('rollout.finished').at(-1),
    created: new Map(of('release.created').map((entry) => [entry.body.release, entry])),
    steps: stepsOf(of, planned),
    of,
    given,
    taken,
  };
}

function stepsOf(of: Story['of'], planned: EntryOf<'rollout.planned'> | undefined): readonly StepStory[] {
  const started = of('step.started');
  const plan = planned?.body.steps ?? [];
  const indexes = new Set([...plan.map((step) => step.index), ...started.map((entry) => entry.body.index)]);
  return [...indexes]
    .toSorted((a, b) => a - b)
    .flatMap((index): StepStory[] => {
      const at = plan.findIndex((step) => step.index === index);
      const begun = started.filter((entry) => entry.body.index === index);
      const done = of('step.done').filter((entry) => entry.body.index === index);
      // The plan states each title before anything is done; steps that were added later have only their own rows.
      const title =
        planned !== undefined && at >= 0
          ? ref(planned, `body.steps.${at}.title`)
          : begun[0] && ref(begun[0], 'body.title');
      if (title === undefined) return [];
      return [
        {
          index,
          title,
          undo: planned !== undefined && at >= 0 ? ref(planned, `body.steps.${at}.undo`) : undefined,
          begun: begun.filter((entry) => entry.body.direction === 'do'),
          undoBegun: begun.filter((entry) => entry.body.direction === 'undo'),
          done: done.findLast((entry) => entry.body.direction === 'do'),
          undone: done.findLast((entry) => entry.body.direction === 'undo'),
          failed: of('step.failed').filter((entry) => entry.body.index === index),
        },
      ];
    });
}

/** A member of the weights, samples or totals of a row that belongs to one release. */
export function ofRelease(
  entry: EntryOf<'traffic.shifted'> | EntryOf<'traffic.sampled'> | EntryOf<'rollout.finished'>,
  list: 'weights' | 'releases',
  release: number,
  member: string,
): Ref | undefined {
  const found: unknown = Reflect.get(entry.body, list);
  if (!Array.isArray(found)) return undefined;
  const at = found.findIndex((item: { release: number }) => item.release === release);
  return at < 0 ? undefined : ref(entry, `body.${list}.${at}.${member}`);
}
