import {
  createLedger,
  type Fact,
  type LedgerEntry,
  type ReportFigure,
} from '../../packages/towpath/src/evidence/index.ts';
import { crashResumed, goodRollout, neverReady, takenBack } from '../../packages/towpath/src/evidence/testing.ts';
import { openDatabase } from '../../packages/towpath/src/system/index.ts';
import { createTestDatabase } from '../../packages/towpath/src/system/testing.ts';

export interface RecordedStory {
  readonly name: string;
  readonly title: string;
  readonly promise: string;
  readonly entries: readonly LedgerEntry[];
  readonly figures: readonly ReportFigure[];
}

const HOSTILE = '<script>alert(1)</script> "&amp;" \'; \u202Etxt.exe `x` | [a](javascript:b) </style>';

/** Rollouts of every outcome, recorded in a real ledger and read back from it. */
export async function recordedStories(signal: AbortSignal): Promise<readonly RecordedStory[]> {
  const { url, dispose } = await createTestDatabase();
  const database = openDatabase(url);
  try {
    let now = 0;
    const ledger = createLedger({ database, now: () => now });
    const record = async (rollout: number, entries: readonly LedgerEntry[]): Promise<readonly LedgerEntry[]> => {
      for (const entry of entries) {
        signal.throwIfAborted();
        now = Date.parse(entry.at);
        await ledger.record(factOf(entry), {
          ...(entry.scope === null ? {} : { scope: entry.scope }),
          ...(entry.rollout === null ? {} : { rollout: entry.rollout }),
          actor: entry.actor,
        });
      }
      return await ledger.story(rollout);
    };
    const figures: readonly ReportFigure[] = [
      {
        label: 'Failed requests',
        value: 0,
        unit: 'requests',
        bound: { is: 'exactly', limit: 0 },
        ok: true,
        source: 'the load generator',
      },
      {
        label: 'Time to roll back',
        value: 4080,
        unit: 'ms',
        bound: { is: 'at most', limit: 15_000 },
        ok: true,
        source: 'the ledger',
      },
      {
        label: 'Duplicate jobs',
        value: 1,
        unit: 'jobs',
        bound: { is: 'exactly', limit: 0 },
        ok: false,
        source: HOSTILE,
      },
    ];
    return [
      {
        name: 'good',
        title: 'A good release',
        promise: 'It goes live without a lost request.',
        entries: await record(7, goodRollout(7)),
        figures,
      },
      {
        name: 'taken-back',
        title: 'A bad release',
        promise: 'It is taken back by itself.',
        entries: await record(8, takenBack(8)),
        figures: [],
      },
      {
        name: 'never-ready',
        title: 'A release that never gets ready',
        promise: 'It never gets a request.',
        entries: await record(9, neverReady(9)),
        figures: [],
      },
      {
        name: 'crash-resumed',
        title: 'A killed controller',
        promise: 'The rollout goes on.',
        entries: await record(10, crashResumed(10)),
        figures: [],
      },
      {
        name: 'hostile',
        title: HOSTILE,
        promise: HOSTILE,
        entries: await record(11, takenBack(11, 2, 3, { actor: HOSTILE, ref: HOSTILE, message: HOSTILE })),
        figures: [],
      },
    ];
  } finally {
    await database.close();
    await dispose();
  }
}

// oxlint-disable-next-line no-unsafe-type-assertion -- an entry is a fact with its place; only the place is left out
const factOf = ({ kind, body }: LedgerEntry): Fact => ({ kind, body }) as Fact;
