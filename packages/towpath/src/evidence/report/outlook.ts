import { code, type Block, type Line } from './document.ts';
import { ref, rows, text } from './figures.ts';
import { releaseOf } from './headline.ts';
import type { EntryOf, Story } from './story.ts';

/** Errors that still stand, then those that were overcome. */
export function blockers(story: Story): readonly Block[] {
  const { finished } = story;
  const failures = story.of('step.failed');
  const lasting = failures.filter((entry) => !overcome(story, entry));
  const blocks: Block[] = [];
  const told = new Set<string>();
  const tell = (entry: EntryOf<'step.failed'> | EntryOf<'rollout.finished'>): void => {
    const { error } = entry.body;
    // A retried step fails with the same words each time, and the end repeats the last of them.
    if (error === null || told.has(`${error.code} ${error.message}`)) return;
    told.add(`${error.code} ${error.message}`);
    blocks.push(problem(entry));
  };
  if (finished?.body.outcome !== 'promoted') for (const entry of lasting) tell(entry);
  if (finished !== undefined) tell(finished);
  const census = story.of('census').at(-1);
  if (census?.body.equal === false) {
    blocks.push({
      kind: 'problem',
      title: ['What really runs is not what was planned'],
      notes: census.body.differences.map((_, at) => ({
        term: 'Difference',
        line: [text(ref(census, `body.differences.${at}`))],
      })),
    });
  }
  if (pausesDeploys(story)) {
    blocks.push({
      kind: 'text',
      line: ['Deploys to this environment wait until a person says ', code('--resume-deploys'), '.'],
    });
  }
  if (blocks.length === 0) blocks.push({ kind: 'text', line: ['None.'] });
  const past = failures.filter((entry) => !lasting.includes(entry) || finished?.body.outcome === 'promoted');
  if (past.length > 0) {
    blocks.push({
      kind: 'details',
      summary: ['Overcome on the way: ', rows(past)],
      blocks: [
        {
          kind: 'list',
          items: past.map((entry): Line => [
            text(ref(entry, 'body.title')),
            ': ',
            text(ref(entry, 'body.error.message')),
          ]),
        },
      ],
    });
  }
  return blocks;
}

/** What fails under real requests would do so again: the release engine then waits for a person. */
const PAUSING: readonly string[] = ['rollout.regressed', 'rollout.instance_crashed'];

const pausesDeploys = ({ finished }: Story): boolean =>
  finished?.body.outcome === 'rolled-back' &&
  finished.body.error !== null &&
  PAUSING.includes(finished.body.error.code);

/** Whether the same step succeeded later, in the same direction. */
function overcome(story: Story, failed: EntryOf<'step.failed'>): boolean {
  return story
    .of('step.done')
    .some(
      (done) =>
        done.seq > failed.seq && done.body.index === failed.body.index && done.body.direction === failed.body.direction,
    );
}

function problem(entry: EntryOf<'step.failed'> | EntryOf<'rollout.finished'>): Block {
  const error = (member: string): Line => [text(ref(entry, `body.error.${member}`))];
  return {
    kind: 'problem',
    title: error('message'),
    notes: [
      { term: 'Code', line: error('code') },
      ...(entry.kind === 'step.failed' ? [{ term: 'In', line: [text(ref(entry, 'body.title'))] }] : []),
      { term: 'What to do', line: error('hint') },
      { term: 'Id in the log', line: error('id') },
    ],
  };
}

/** What a person does now. */
export function next(story: Story): readonly Block[] {
  const { finished, from, to } = story;
  if (finished === undefined) {
    return [
      {
        kind: 'list',
        items: [
          ['Watch it: ', code('towpath status')],
          ['Take it back: ', code('towpath abort')],
        ],
      },
    ];
  }
  switch (finished.body.outcome) {
    case 'promoted':
      return [
        { kind: 'text', line: ['Nothing has to be done.'] },
        ...(from === null || story.reason === 'rollback'
          ? []
          : [
              {
                kind: 'list',
                items: [
                  ['Return to ', ...releaseOf(story, 'from'), ' at any time: ', code(`towpath rollback ${from}`)],
                ],
              } as const,
            ]),
        ...(story.reason === 'rollback'
          ? [
              {
                kind: 'list',
                items: [['Deploy again when the cause is corrected: ', code('towpath deploy')]],
              } as const,
            ]
          : []),
      ];
    case 'rolled-back':
      return [
        {
          kind: 'list',
          ordered: true,
          items: [
            to === null
              ? ['Read the logs: ', code('towpath logs')]
              : ['Read the logs of the release: ', code(`towpath logs --release ${to}`)],
            ['Correct the cause'],
            ['Deploy again: ', code(pausesDeploys(story) ? 'towpath deploy --resume-deploys' : 'towpath deploy')],
          ],
        },
      ];
    case 'failed':
      return [
        {
          kind: 'list',
          ordered: true,
          items: [
            ['See what runs: ', code('towpath status')],
            ...(finished.body.error === null ? [] : [['Then: ', text(ref(finished, 'body.error.hint'))]]),
            ['Check the record: ', code('towpath evidence verify')],
          ],
        },
      ];
  }
}
