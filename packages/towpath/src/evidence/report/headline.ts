import type { Head, Inline, Line } from './document.ts';
import { between, count, duration, instant, length, percentage, ref, rows, share, text, type Ref } from './figures.ts';
import { ofRelease, type Story } from './story.ts';

/** The release a story is about, as a word with its number from the ledger. */
export function releaseOf(story: Story, which: 'from' | 'to'): Line {
  const { subject } = story;
  return subject === undefined || story[which] === null
    ? ['no release']
    : ['release ', text(ref(subject, `body.${which}`))];
}

/** Whether a person asked for the end that came, and who. */
const askedBack = (story: Story) =>
  story
    .of('signal.received')
    .findLast(({ actor, body }) => actor !== 'engine' && (body.signal === 'abort' || body.signal === 'turn back'));

/** What stands above everything else: one line that a person understands, and four figures. */
export function headOf(story: Story): Head {
  const scope = story.begin.scope;
  const over: Inline[] = [story.reason === 'rollback' ? 'Rollback' : 'Rollout'];
  if (story.begin.rollout !== null) over.push(' ', text(ref(story.begin, 'rollout')));
  if (scope !== null)
    over.push(' of ', text(ref(story.begin, 'scope.app')), ' in ', text(ref(story.begin, 'scope.environment')));
  over.push(' · ', instant(ref(story.begin, 'at')), ' · by ', text(ref(story.begin, 'actor')));
  return { over, ...verdictOf(story), tiles: tilesOf(story) };
}

function verdictOf(story: Story): Pick<Head, 'tone' | 'outcome' | 'headline'> {
  const { finished } = story;
  const to = capital(releaseOf(story, 'to'));
  if (finished === undefined) {
    const proven = story.steps.flatMap(({ done, undo }) => (done === undefined || undo === undefined ? [] : [done]));
    const total = story.planned === undefined ? [] : [' of ', length(ref(story.planned, 'body.steps'))];
    return {
      tone: 'warn',
      outcome: 'Not finished',
      headline: [...to, ' is on its way: ', rows(proven), ...total, ' steps are done'],
    };
  }
  switch (finished.body.outcome) {
    case 'promoted':
      return story.reason === 'rollback' || story.from === null
        ? { tone: 'good', outcome: story.reason === 'rollback' ? 'Rolled back' : 'Live', headline: backHeadline(story) }
        : { tone: 'good', outcome: 'Promoted', headline: [...to, ' serves all requests', ...failedOf(story, ': ')] };
    case 'rolled-back':
      return { tone: 'bad', outcome: 'Taken back', headline: takenBackHeadline(story) };
    case 'failed':
      return {
        tone: 'bad',
        outcome: 'Failed',
        headline: [
          'The rollout of ',
          ...releaseOf(story, 'to'),
          ' needs a person: ',
          text(ref(finished, 'body.because')),
        ],
      };
  }
}

function backHeadline(story: Story): Line {
  const { started, finished, given } = story;
  const to = capital(releaseOf(story, 'to'));
  if (story.reason !== 'rollback')
    return [...to, ' is the first release and serves all requests', ...failedOf(story, ': ')];
  const until = given ?? finished;
  return started === undefined || until === undefined
    ? [...to, ' serves all requests again']
    : [
        ...to,
        ' serves all requests again, ',
        between(ref(started, 'at'), ref(until, 'at')),
        ' after the command',
        ...failedOf(story, ': '),
      ];
}

function takenBackHeadline(story: Story): Line {
  const { finished, given, taken } = story;
  const to = capital(releaseOf(story, 'to'));
  const asked = askedBack(story);
  const by: Line = asked === undefined ? ['by itself'] : ['as ', text(ref(asked, 'actor')), ' asked'];
  if (given === undefined) {
    const serving: Line = story.from === null ? [] : ['; ', ...releaseOf(story, 'from'), ' kept serving'];
    const why: Line = finished === undefined ? [] : [': ', text(ref(finished, 'body.because'))];
    return [...to, ' was taken back ', ...by, ' and never got a request', ...serving, ...why];
  }
  const after: Line = taken === undefined ? [] : [' after ', between(ref(given, 'at'), ref(taken, 'at'))];
  const most = highestWeight(story);
  const where: Line = most === undefined ? [] : [' at ', percentage(most)];
  return [...to, ' was taken back ', ...by, ...after, ...where, ...failedOf(story, ': ')];
}

/** `14 of 212 requests failed (6.6 %), release 2: 0 of 4,021` */
function failedOf(story: Story, lead: string): Line {
  const { finished, to, from } = story;
  if (finished === undefined || to === null) return [];
  const own = countsOf(story, to);
  if (own === undefined) return [];
  const old = from === null ? undefined : countsOf(story, from);
  return [
    lead,
    count(own.failures),
    ' of ',
    count(own.requests),
    ' requests failed',
    ...(story.finished?.body.releases.some((sample) => sample.release === to && sample.failures > 0) === true
      ? [' (', share([own.failures], [own.requests]), ')']
      : []),
    ...(old === undefined
      ? []
      : [', ', ...releaseOf(story, 'from'), ': ', count(old.failures), ' of ', count(old.requests)]),
  ];
}

export function countsOf(
  story: Story,
  release: number,
): { readonly requests: Ref; readonly failures: Ref } | undefined {
  if (story.finished === undefined) return undefined;
  const requests = ofRelease(story.finished, 'releases', release, 'requests');
  const failures = ofRelease(story.finished, 'releases', release, 'failures');
  return requests === undefined || failures === undefined ? undefined : { requests, failures };
}

function highestWeight(story: Story): Ref | undefined {
  const { to } = story;
  if (to === null) return undefined;
  const weight = (shift: (typeof shifts)[number]): number =>
    shift.body.weights.find((w) => w.release === to)?.weight ?? 0;
  const shifts = story.of('traffic.shifted');
  const most = shifts.toSorted((a, b) => weight(b) - weight(a))[0];
  return most === undefined ? undefined : ofRelease(most, 'weights', to, 'weight');
}

function tilesOf(story: Story): Head['tiles'] {
  const { finished, begin, given, taken } = story;
  const tiles: { term: string; line: Line; note?: Line }[] = [];
  if (finished !== undefined) {
    const samples = finished.body.releases.map((_, at) => at);
    if (samples.length > 0) {
      const requests = samples.map((at) => ref(finished, `body.releases.${at}.requests`));
      const failures = samples.map((at) => ref(finished, `body.releases.${at}.failures`));
      tiles.push({ term: 'Requests', line: [count(...requests)], note: [count(...failures), ' failed, all releases'] });
    }
    if (taken !== undefined && given !== undefined) {
      tiles.push({
        term: 'Exposed for',
        line: [between(ref(given, 'at'), ref(taken, 'at'))],
        note: ['from its first to its last share'],
      });
    }
    tiles.push({ term: 'Took', line: [duration(ref(finished, 'body.ms'))], note: ['from start to end'] });
    tiles.push({
      term: 'Serving now',
      line: finished.body.serving === null ? ['nothing'] : ['release ', text(ref(finished, 'body.serving'))],
      note: ['when this ended'],
    });
  } else {
    tiles.push({
      term: 'Running for',
      line: [between(ref(begin, 'at'), ref(story.last, 'at'))],
      note: ['until the last row'],
    });
  }
  const census = story.of('census').at(-1);
  if (census !== undefined) {
    tiles.push({
      term: 'Census',
      line: [census.body.equal ? 'equals the plan' : 'differs from the plan'],
      note: [length(ref(census, 'body.found')), ' found'],
    });
  }
  return tiles;
}

export const capital = (line: Line): Line => {
  const [head, ...rest] = line;
  return typeof head === 'string' ? [head.charAt(0).toUpperCase() + head.slice(1), ...rest] : line;
};
