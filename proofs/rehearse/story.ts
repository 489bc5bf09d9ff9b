import type { LedgerEntry } from '@towpath/wire';
import { formatDuration } from '../../packages/towpath/src/kernel/index.ts';

const BAR = 24;

/** How releases are called on the screen: by their tag. */
export type NameOf = (release: number) => string;

const text = (body: LedgerEntry['body'], key: string): string => {
  const value = body[key];
  return typeof value === 'string' ? value : '';
};
const number = (body: LedgerEntry['body'], key: string): number | undefined => {
  const value = body[key];
  return typeof value === 'number' ? value : undefined;
};
const records = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value)
    ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    : [];

export const weightsOf = (entry: LedgerEntry): readonly { readonly release: number; readonly weight: number }[] =>
  records(entry.body['weights']).map((one) => ({ release: Number(one['release']), weight: Number(one['weight']) }));

/** What a row tells a person who watches; undefined for rows that only a program wants. */
export function tell(entry: LedgerEntry, name: NameOf): string | undefined {
  const { body } = entry;
  const named = (words: string): string => words.replaceAll(/\brelease (\d+)/g, (_, n: string) => name(Number(n)));
  const ms = number(body, 'ms');
  const took = ms === undefined ? '' : `  ${formatDuration(ms)}`;
  const undo = text(body, 'direction') === 'undo';
  const title = named(text(body, 'title'));
  switch (entry.kind) {
    case 'release.created':
      return `✓ built ${name(number(body, 'release') ?? 0)} into an immutable artifact  ${formatDuration(number(body, 'buildMs') ?? 0)}`;
    case 'step.started':
      // The number of a release says nothing until it is built.
      if (text(body, 'step') === 'build') return '● build the commit into an immutable artifact';
      // What moves traffic is told by the shift itself.
      return text(body, 'step') === 'stage' || undo ? undefined : `● ${title}`;
    case 'step.done':
      if (text(body, 'step') === 'stage' && !undo) return undefined;
      return undo
        ? `↩ ${named(text(body, 'proof')) || title}${took}`
        : `✓ ${named(text(body, 'proof')) || title}${took}`;
    case 'step.failed': {
      const error = body['error'];
      const message = typeof error === 'object' && error !== null ? Reflect.get(error, 'message') : '';
      return `✗ ${named(String(message))}`;
    }
    case 'traffic.shifted': {
      const weights = weightsOf(entry).filter(({ weight }) => weight > 0);
      const bar = weights.map(({ weight }, i) => '█▒░'.charAt(i % 3).repeat(Math.round((weight / 100) * BAR))).join('');
      return `→ ${bar}  ${weights.map(({ release, weight }) => `${name(release)} ${weight} %`).join(' · ')}`;
    }
    case 'verdict':
      return `  judge: ${text(body, 'verdict')}, ${named(text(body, 'because'))}`;
    case 'migration.applied':
      return `✓ migration ${text(body, 'name')}${took}`;
    case 'signal.received':
      return entry.actor === 'engine'
        ? '! turning back, by itself'
        : `! ${entry.actor} asks to ${text(body, 'signal')}`;
    case 'rollout.finished': {
      const outcome = text(body, 'outcome');
      const mark = outcome === 'promoted' ? '✓' : outcome === 'rolled-back' ? '↩' : '✗';
      return `${mark} ${outcome}: ${named(text(body, 'because'))}${took}`;
    }
    default:
      return undefined;
  }
}
