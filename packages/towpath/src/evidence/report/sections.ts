import { config, deploy } from './deploy.ts';
import { code, joined, mark, type Block, type Line, type Section, type StepItem } from './document.ts';
import { count, duration, instant, length, ref, rows, short, text, type Figure } from './figures.ts';
import { health } from './health.ts';
import { releaseOf } from './headline.ts';
import { blockers, next } from './outlook.ts';
import type { StepStory, Story } from './story.ts';
import { timelineOf } from './timeline.ts';

/** The status form: always these, always in this order. */
export function sectionsOf(story: Story, command: string): readonly Section[] {
  return [
    { heading: 'Working on', blocks: workingOn(story) },
    { heading: 'Progress', blocks: progress(story) },
    { heading: 'Evidence', blocks: [...config(story), ...deploy(story), ...health(story), ...ledger(story, command)] },
    { heading: 'Blockers', blocks: blockers(story) },
    { heading: 'Next', blocks: next(story) },
  ];
}

function workingOn(story: Story): readonly Block[] {
  const { begin, planned, finished } = story;
  const facts: { term: string; line: Line }[] = [];
  const what: Line =
    story.reason === 'rollback'
      ? ['Going back from ', ...releaseOf(story, 'from'), ' to ', ...releaseOf(story, 'to')]
      : story.from === null
        ? ['Putting the first one, ', ...releaseOf(story, 'to'), ', into service']
        : ['Replacing ', ...releaseOf(story, 'from'), ' by ', ...releaseOf(story, 'to')];
  facts.push({ term: 'What', line: what });
  facts.push({ term: 'Asked by', line: [text(ref(begin, 'actor'))] });
  const ended: Line = finished === undefined ? [] : [' to ', instant(ref(finished, 'at'))];
  facts.push({ term: 'When', line: [instant(ref(begin, 'at')), ...ended] });
  if (begin.scope !== null) {
    facts.push({
      term: 'Where',
      line: ['app ', text(ref(begin, 'scope.app')), ', environment ', text(ref(begin, 'scope.environment'))],
    });
  }
  if (planned !== undefined) {
    facts.push({
      term: 'Plan',
      line: [short(ref(planned, 'body.planHash')), ', ', length(ref(planned, 'body.steps')), ' steps'],
    });
    facts.push({
      term: 'Extra capacity',
      line: [
        count(ref(planned, 'body.extraInstances')),
        ' instances, ',
        count(ref(planned, 'body.extraMemoryMb')),
        ' MB while both run',
      ],
    });
    const points = planned.body.pointsOfNoReturn.map((_, at): Line => [
      text(ref(planned, `body.pointsOfNoReturn.${at}`)),
    ]);
    facts.push({ term: 'Points of no return', line: points.length === 0 ? ['none'] : joined(points, '; ') });
  }
  return [{ kind: 'facts', facts }];
}

function progress(story: Story): readonly Block[] {
  const blocks: Block[] = [];
  if (story.steps.length > 0)
    blocks.push(
      { kind: 'heading', text: 'Steps' },
      { kind: 'steps', items: story.steps.map((step) => stepItem(step, story)) },
    );
  const timeline = timelineOf(story);
  if (timeline.length > 0) blocks.push({ kind: 'heading', text: 'Timeline' }, { kind: 'timeline', items: timeline });
  return blocks;
}

function stepItem(step: StepStory, story: Story): StepItem {
  const notes: { term: string; line: Line }[] = [];
  if (step.done !== undefined) notes.push({ term: 'Proof', line: [text(ref(step.done, 'body.proof'))] });
  const failure = step.failed.at(-1);
  if (failure !== undefined) {
    notes.push({
      term: step.failed.length === 1 ? 'Failed' : 'Failed last',
      line: [text(ref(failure, 'body.error.message'))],
    });
  }
  if (step.undone !== undefined) {
    notes.push({
      term: 'Taken back',
      line: [text(ref(step.undone, 'body.proof')), ' (', duration(ref(step.undone, 'body.ms')), ')'],
    });
  } else if (step.undo !== undefined) {
    notes.push({ term: 'Way back', line: [text(step.undo)] });
  }
  if (step.begun.length > 1)
    notes.push({ term: 'Begun', line: [rows(step.begun), ' times: it was interrupted or tried again, and went on'] });
  const took = step.done ?? failure;
  return {
    mark: markOf(step, story),
    title: text(step.title),
    took: took === undefined ? undefined : duration(ref(took, 'body.ms')),
    notes,
  };
}

function markOf(step: StepStory, story: Story): StepItem['mark'] {
  if (step.undone !== undefined) return mark('warn', 'taken back');
  if (step.undoBegun.length > 0) return mark(story.finished === undefined ? 'idle' : 'bad', 'being taken back');
  if (step.done !== undefined) return mark('good', 'done');
  if (step.failed.length > 0) return mark('bad', 'failed');
  if (step.begun.length > 0) return mark('idle', 'begun');
  return mark('idle', story.finished === undefined ? 'to do' : 'not reached');
}

function ledger(story: Story, command: string): readonly Block[] {
  const { first, last, entries } = story;
  const seq = (entry: Story['first']): Figure => count(ref(entry, 'seq'));
  return [
    { kind: 'heading', text: 'Record' },
    {
      kind: 'facts',
      facts: [
        { term: 'Ledger rows', line: [rows(entries), ', from ', seq(first), ' to ', seq(last)] },
        { term: 'First hash', line: [text(ref(first, 'hash'))] },
        { term: 'Last hash', line: [text(ref(last, 'hash'))] },
        { term: 'Check it', line: [code(command)] },
      ],
    },
    {
      kind: 'text',
      line: [
        'Every figure on this page comes from these rows; each row carries the hash of the one before it, so a changed, removed or reordered row shows.',
      ],
    },
  ];
}
