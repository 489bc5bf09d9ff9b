import { chartsOf, VERDICT_TONE } from './chart.ts';
import { mark, type Block, type Line, type Table } from './document.ts';
import { count, latency, offset, ref, share, text } from './figures.ts';
import type { EntryOf, Story } from './story.ts';

/** Evidence of how the releases served, and how that was judged. */
export function health(story: Story): readonly Block[] {
  const blocks: Block[] = [{ kind: 'heading', text: 'Health' }];
  const charts = chartsOf(story);
  if (charts.length > 0) blocks.push({ kind: 'charts', charts });
  const verdicts = story.of('verdict');
  if (verdicts.length > 0) blocks.push(verdictTable(story, verdicts));
  else
    blocks.push({
      kind: 'text',
      line: ['Nothing was judged: there was no stage at which the releases could be compared.'],
    });
  const { finished } = story;
  if (finished !== undefined && finished.body.releases.length > 0) {
    blocks.push({
      kind: 'table',
      caption: 'Totals',
      columns: [
        { title: ['Release'] },
        { title: ['Requests'], numeric: true },
        { title: ['Failed'], numeric: true },
        { title: ['Share'], numeric: true },
        { title: ['p50'], numeric: true },
        { title: ['p99'], numeric: true },
      ],
      rows: finished.body.releases.map((_, at) => {
        const member = (name: string) => ref(finished, `body.releases.${at}.${name}`);
        return [
          ['Release ', text(member('release'))],
          [count(member('requests'))],
          [count(member('failures'))],
          [share([member('failures')], [member('requests')])],
          [latency(member('p50Us')) ?? '–'],
          [latency(member('p99Us')) ?? '–'],
        ];
      }),
    });
  }
  return blocks;
}

function verdictTable(story: Story, verdicts: readonly EntryOf<'verdict'>[]): Table {
  return {
    kind: 'table',
    caption: 'Verdicts',
    columns: [
      { title: ['When'] },
      { title: ['Stage'] },
      { title: ['Verdict'] },
      { title: ['New: failed of requests'], numeric: true },
      { title: ['Old: failed of requests'], numeric: true },
      { title: ['Because'] },
    ],
    rows: verdicts.map((entry) => [
      [offset(ref(story.begin, 'at'), ref(entry, 'at'))],
      [text(ref(entry, 'body.stage'))],
      [mark(VERDICT_TONE[entry.body.verdict], text(ref(entry, 'body.verdict')))],
      arm(entry, 'candidate'),
      arm(entry, 'baseline'),
      [text(ref(entry, 'body.because'))],
    ]),
  };
}

/** What the judge was given about one release; a row may come from another version of the judge. */
function arm(entry: EntryOf<'verdict'>, which: 'candidate' | 'baseline'): Line {
  const { input } = entry.body;
  if (typeof input !== 'object' || input === null) return ['–'];
  const counts: unknown = Reflect.get(input, which);
  if (typeof counts !== 'object' || counts === null || !('requests' in counts) || !('failures' in counts)) return ['–'];
  return [count(ref(entry, `body.input.${which}.failures`)), ' of ', count(ref(entry, `body.input.${which}.requests`))];
}
