import type { LedgerEntry } from '../model.ts';
import { VERDICT_TONE } from './chart.ts';
import { joined, mark, type Line } from './document.ts';
import { duration, offset, percentage, ref, text, type Figure } from './figures.ts';
import type { Story } from './story.ts';

/** What happened, with times relative to the beginning. The steps' own rows stand above it. */
export function timelineOf(story: Story): readonly { readonly at: Figure; readonly line: Line }[] {
  return story.entries.flatMap((entry) => {
    const line = lineOf(entry);
    return line === undefined ? [] : [{ at: offset(ref(story.begin, 'at'), ref(entry, 'at')), line }];
  });
}

function lineOf(entry: LedgerEntry): Line | undefined {
  const said = (path: string): Figure => text(ref(entry, path));
  const because: Line = 'because' in entry.body && entry.body.because !== '' ? [': ', said('body.because')] : [];
  switch (entry.kind) {
    case 'control.started':
      return [mark('warn', 'controller started'), ' version ', said('body.version'), ', process ', said('body.pid')];
    case 'lease.taken':
      return ['Lease taken by ', said('body.holder'), ', epoch ', said('body.epoch')];
    case 'rollout.started':
      return ['Started by ', said('actor')];
    case 'step.failed':
      return [
        mark('bad', entry.body.direction === 'do' ? 'failed' : 'taking back failed'),
        ' ',
        said('body.title'),
        ': ',
        said('body.error.message'),
      ];
    case 'signal.received':
      if (entry.actor === 'engine') return ['The engine turns back: ', said('body.reason')];
      return [
        said('actor'),
        ' asked to ',
        said('body.signal'),
        ...(entry.body.reason === '' ? [] : ([': ', said('body.reason')] as const)),
      ];
    case 'traffic.shifted': {
      const weights = entry.body.weights.map((_, at): Line => [
        'release ',
        said(`body.weights.${at}.release`),
        ' ',
        percentage(ref(entry, `body.weights.${at}.weight`)),
      ]);
      return [
        'Traffic: ',
        ...joined(weights, ', '),
        ' (',
        said('body.because'),
        ', in force after ',
        duration(ref(entry, 'body.ms')),
        ')',
      ];
    }
    case 'verdict':
      return [mark(VERDICT_TONE[entry.body.verdict], said('body.verdict')), ' at ', said('body.stage'), ...because];
    case 'migration.applied':
      return ['Migration ', said('body.name'), ' applied in ', duration(ref(entry, 'body.ms'))];
    case 'instance':
      return ['Instance ', said('body.token'), ' ', said('body.event'), ...because];
    case 'tick':
      return entry.body.event === 'failed'
        ? [mark('bad', 'tick failed'), ' ', said('body.group'), ' of ', said('body.at'), ...because]
        : undefined;
    case 'census':
      return entry.body.equal
        ? ['Census ', mark('good', 'equal')]
        : [
            'Census ',
            mark('bad', 'different'),
            ' ',
            ...joined(
              entry.body.differences.map((_, at): Line => [said(`body.differences.${at}`)]),
              '; ',
            ),
          ];
    case 'rollout.finished':
      return [mark(entry.body.outcome === 'promoted' ? 'good' : 'bad', said('body.outcome')), ...because];
    case 'release.created':
    case 'rollout.planned':
    case 'step.started':
    case 'step.done':
    case 'effect':
    case 'traffic.sampled':
      return undefined;
  }
}
