import type { LedgerEntry } from '@towpath/wire';
import { formatDuration } from '../../kernel/index.ts';
import { field, listOf, numberOf, textOf } from './body.ts';
import { share } from './text.ts';

/** The time of day of an entry, in UTC, so that lines of several machines compare. */
export const clockTime = (at: string): string => /T(\d\d:\d\d:\d\d)/.exec(at)?.[1] ?? at;

const weights = (body: unknown): string =>
  listOf(body, 'weights')
    .map((entry) => `r${numberOf(entry, 'release') ?? '?'} ${share(numberOf(entry, 'weight') ?? 0)}`)
    .join(', ');

function sentence(entry: LedgerEntry): string | undefined {
  const body = entry.body;
  const ms = numberOf(body, 'ms');
  const took = ms === undefined ? '' : `  ${formatDuration(ms)}`;
  const undo = textOf(body, 'direction') === 'undo' ? 'undo ' : '';
  const title = textOf(body, 'title') || textOf(body, 'step');
  switch (entry.kind) {
    case 'release.created':
      return `✓ built release ${numberOf(body, 'release') ?? '?'}  ${formatDuration(numberOf(body, 'buildMs') ?? 0)}`;
    case 'rollout.started': {
      const from = numberOf(body, 'from');
      return `● rollout ${entry.rollout ?? '?'} of release ${numberOf(body, 'to') ?? '?'}${from === undefined ? '' : ` over release ${from}`}`;
    }
    case 'step.started':
      return `● ${undo}${title}`;
    case 'step.done': {
      const proof = textOf(body, 'proof');
      return `✓ ${undo}${title}${took}${proof === '' ? '' : `  (${proof})`}`;
    }
    case 'step.failed': {
      const error = field(body, 'error');
      return `✗ ${undo}${title}${took}: ${textOf(error, 'message')} (${textOf(error, 'code')})`;
    }
    case 'traffic.shifted':
      return `  traffic ${weights(body)}`;
    case 'verdict':
      return `  ${textOf(body, 'verdict')}: ${textOf(body, 'because')}`;
    case 'signal.received':
      if (entry.actor === 'engine') return `! turning back: ${textOf(body, 'reason')}`;
      return `! ${entry.actor} asks to ${textOf(body, 'signal')}${textOf(body, 'reason') === '' ? '' : `: ${textOf(body, 'reason')}`}`;
    case 'migration.applied':
      return `  migration ${textOf(body, 'name')}${took}`;
    case 'rollout.finished': {
      const outcome = textOf(body, 'outcome');
      const mark = outcome === 'promoted' ? '✓' : outcome === 'rolled-back' ? '↩' : '✗';
      return `${mark} ${outcome}${took}: ${textOf(body, 'because')}`;
    }
    default:
      return undefined;
  }
}

/** One timestamped line for logs and pipes; undefined for entries that only a program wants. */
export function plainLine(entry: LedgerEntry): string | undefined {
  const text = sentence(entry);
  return text === undefined ? undefined : `${clockTime(entry.at)}  ${text}`;
}
