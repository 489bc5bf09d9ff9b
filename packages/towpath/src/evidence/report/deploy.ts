import { joined, mark, type Block, type Line, type Table } from './document.ts';
import { count, distinct, duration, instant, length, offset, ref, rows, short, text, valueAt } from './figures.ts';
import type { EntryOf, Story } from './story.ts';

/** Evidence of what each release is made of. */
export function config(story: Story): readonly Block[] {
  const releases = [story.from, story.to].flatMap((release) => {
    const entry = release === null ? undefined : story.created.get(release);
    return entry === undefined ? [] : [entry];
  });
  if (releases.length === 0) return [];
  const row = (title: string, line: (entry: EntryOf<'release.created'>) => Line): readonly Line[] => [
    [title],
    ...releases.map(line),
  ];
  const list = (entry: EntryOf<'release.created'>, member: 'groups'): Line =>
    joined(
      entry.body[member].map((_, at): Line => [text(ref(entry, `body.${member}.${at}`))]),
      ', ',
    );
  const table: Table = {
    kind: 'table',
    caption: 'What each release is made of',
    columns: [
      { title: ['Part'] },
      ...releases.map((entry) => ({
        title: ['Release ', text(ref(entry, 'body.release')), entry.body.release === story.to ? ' (new)' : ' (old)'],
      })),
    ],
    rows: [
      row('Source', (entry) => [text(ref(entry, 'body.source.kind')), ' ', text(ref(entry, 'body.source.ref'))]),
      row('Artifact', (entry) => [text(ref(entry, 'body.artifact'))]),
      row('Configuration', (entry) => [text(ref(entry, 'body.configHash'))]),
      row('Process groups', (entry) => list(entry, 'groups')),
      row('Migrations', (entry) =>
        entry.body.migrations.length === 0
          ? ['none']
          : joined(
              entry.body.migrations.map((_, at): Line => [text(ref(entry, `body.migrations.${at}.name`))]),
              ', ',
            ),
      ),
      row('Built in', (entry) => [duration(ref(entry, 'body.buildMs'))]),
      row('Built at', (entry) => [instant(ref(entry, 'at'))]),
    ],
  };
  const plan: readonly Block[] =
    story.planned === undefined
      ? []
      : [
          {
            kind: 'text',
            line: ['The plan that was carried out has the hash ', text(ref(story.planned, 'body.planHash')), '.'],
          },
        ];
  return [{ kind: 'heading', text: 'Config' }, table, ...plan];
}

/** Evidence of what was done to the world, and of what is there now. */
export function deploy(story: Story): readonly Block[] {
  const blocks: Block[] = [{ kind: 'heading', text: 'Deploy' }];
  const migrations = story.of('migration.applied');
  if (migrations.length > 0) {
    blocks.push({
      kind: 'table',
      caption: 'Migrations applied',
      columns: [
        { title: ['File'] },
        { title: ['Took'], numeric: true },
        { title: ['Attempts'], numeric: true },
        { title: ['sha256'] },
      ],
      rows: migrations.map((entry) => [
        [text(ref(entry, 'body.name'))],
        [duration(ref(entry, 'body.ms'))],
        [count(ref(entry, 'body.attempts'))],
        [short(ref(entry, 'body.sha256'))],
      ]),
    });
  } else {
    blocks.push({ kind: 'text', line: ['No migration was applied.'] });
  }
  blocks.push(...instances(story), ...census(story), ...effects(story));
  return blocks;
}

function instances(story: Story): readonly Block[] {
  const events = story.of('instance');
  const tokens = [...new Set(events.map((entry) => entry.body.token))];
  if (tokens.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: 'Instances',
      columns: [
        { title: ['Instance'] },
        { title: ['Release'], numeric: true },
        { title: ['Group'] },
        { title: ['Restarts'], numeric: true },
        { title: ['What happened'] },
      ],
      rows: tokens.flatMap((token) => {
        const own = events.filter((entry) => entry.body.token === token);
        const [first] = own;
        if (first === undefined) return [];
        const restarts = own.filter((entry) => /restart/.test(entry.body.event));
        const what = own.map((entry): Line => [
          offset(ref(story.begin, 'at'), ref(entry, 'at')),
          ' ',
          text(ref(entry, 'body.event')),
          ...(entry.body.because === '' ? [] : [' (', text(ref(entry, 'body.because')), ')']),
        ]);
        return [
          [
            [text(ref(first, 'body.token'))],
            [text(ref(first, 'body.release'))],
            [text(ref(first, 'body.group'))],
            [restarts.length === 0 ? 'none' : rows(restarts)],
            joined(what, '; '),
          ],
        ];
      }),
    },
  ];
}

function census(story: Story): readonly Block[] {
  const entry = story.of('census').at(-1);
  if (entry === undefined) return [{ kind: 'text', line: ['No census was taken.'] }];
  const { expected, found, differences, equal } = entry.body;
  const lines = (list: readonly string[], member: string): readonly Line[] =>
    list.map((_, at): Line => [text(ref(entry, `body.${member}.${at}`))]);
  const summary: Line = equal
    ? [
        mark('good', 'equal'),
        ' What really runs is what was planned: ',
        length(ref(entry, 'body.found')),
        ' of ',
        length(ref(entry, 'body.expected')),
        ' found.',
      ]
    : [
        mark('bad', 'different'),
        ' What really runs is not what was planned: ',
        ...joined(lines(differences, 'differences'), '; '),
      ];
  const all = [...new Set([...expected, ...found])];
  return [
    { kind: 'text', line: ['Census: ', ...summary] },
    {
      kind: 'table',
      caption: 'Census',
      columns: [{ title: ['Expected'] }, { title: ['Found'] }],
      rows: all.map((line) => {
        const cell = (list: readonly string[], member: string): Line =>
          list.includes(line) ? [text(ref(entry, `body.${member}.${list.indexOf(line)}`))] : [mark('bad', 'absent')];
        return [cell(expected, 'expected'), cell(found, 'found')];
      }),
    },
  ];
}

function effects(story: Story): readonly Block[] {
  const all = story.of('effect');
  if (all.length === 0) return [];
  const epochs = all.map((entry) => ref(entry, 'body.epoch'));
  const by: Line =
    new Set(epochs.map(valueAt)).size === 1
      ? [' under one lease']
      : [' under ', distinct(epochs), ' leases: a controller was replaced on the way'];
  return [
    {
      kind: 'details',
      summary: ['Every change to the world: ', rows(all), ...by],
      blocks: [
        {
          kind: 'table',
          caption: 'Effects',
          columns: [
            { title: ['When'] },
            { title: ['Step'] },
            { title: ['Effect'] },
            { title: ['Lease epoch'], numeric: true },
          ],
          rows: all.map((entry) => [
            [offset(ref(story.begin, 'at'), ref(entry, 'at'))],
            [text(ref(entry, 'body.step'))],
            [text(ref(entry, 'body.effect'))],
            [text(ref(entry, 'body.epoch'))],
          ]),
        },
      ],
    },
  ];
}
