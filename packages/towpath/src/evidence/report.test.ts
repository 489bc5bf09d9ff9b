import { createHash } from 'node:crypto';
import { describe, test } from 'vitest';
import { TowpathError } from '../kernel/index.ts';
import { renderReport, renderReports, type LedgerEntry, type ReportGroup } from './index.ts';
import { niceTop } from './report/chart.ts';
import { escapeMarkdown } from './report/escape.ts';
import { showDuration, showMicroseconds, showOffset, showPercent } from './report/figures.ts';
import { timeTicks } from './report/svg.ts';
import { buildRows, crashResumed, goodRollout, neverReady, takenBack } from './testing.ts';

const headline = (entries: readonly LedgerEntry[]): string | undefined => renderReport(entries).markdown.split('\n')[0];
const headings = (markdown: string, level: number): readonly string[] =>
  [...markdown.matchAll(new RegExp(`^${'#'.repeat(level)} (.+)$`, 'gm'))].map(([, words]) => words ?? '');

describe('the first line says how it ended', () => {
  const cases: readonly (readonly [string, readonly LedgerEntry[], string])[] = [
    ['promoted', goodRollout(), '# Release 3 serves all requests: 0 of 13,192 requests failed, release 2: 0 of 6,766'],
    [
      'taken back',
      takenBack(),
      '# Release 3 was taken back by itself after 4.0 s at 5 %: 17 of 206 requests failed (8.3 %), release 2: 0 of 7,123',
    ],
    [
      'never ready',
      neverReady(),
      '# Release 4 was taken back by itself and never got a request; release 2 kept serving: r4.web.0 was not ready within 10.0s: GET /healthz answered 503',
    ],
    ['after a crash', crashResumed(), '# Release 5 serves all requests: 0 of 1,785 requests failed'],
    ['not finished', goodRollout().slice(0, 40), '# Release 3 is on its way: 3 of 9 steps are done'],
    ['without rows', [], '# The ledger has no rows of this rollout'],
    [
      'taken back by a person',
      buildRows({ rollout: 1, from: 1, to: 2 })
        .add({
          kind: 'traffic.shifted',
          body: {
            weights: [
              { release: 1, weight: 75 },
              { release: 2, weight: 25 },
            ],
            because: 'stage',
            ms: 1,
          },
        })
        .wait(1500)
        .add({ kind: 'signal.received', body: { signal: 'turn back', reason: 'looks odd' } }, 'user:ben')
        .add({
          kind: 'traffic.shifted',
          body: { weights: [{ release: 1, weight: 100 }], because: 'taken back', ms: 1 },
        })
        .finish('rolled-back', 1, 'aborted').entries,
      '# Release 2 was taken back as user:ben asked after 1.5 s at 25 %',
    ],
    [
      'rolled back by command',
      buildRows({ rollout: 2, from: 3, to: 2, reason: 'rollback' })
        .wait(400)
        .add({ kind: 'traffic.shifted', body: { weights: [{ release: 2, weight: 100 }], because: 'stage', ms: 1 } })
        .finish('promoted', 2, 'done').entries,
      '# Release 2 serves all requests again, 418 ms after the command',
    ],
    [
      'the first release',
      buildRows({ rollout: 3, from: null, to: 1 }).finish('promoted', 1, 'done').entries,
      '# Release 1 is the first release and serves all requests',
    ],
    [
      'failed',
      buildRows({ rollout: 4, from: 1, to: 2 }).finish('failed', null, 'the database is gone').entries,
      '# The rollout of release 2 needs a person: the database is gone',
    ],
  ];
  test.for(cases)('%s', ([, entries, expected], { expect }) => {
    expect(headline(entries)).toBe(expected);
  });
});

describe('a report', () => {
  test('follows the status form', ({ expect }) => {
    for (const entries of [goodRollout(), takenBack(), neverReady(), crashResumed(), goodRollout().slice(0, 12)]) {
      const { markdown, html } = renderReport(entries);
      const form = ['Working on', 'Progress', 'Evidence', 'Blockers', 'Next'];
      expect(headings(markdown, 2)).toEqual(form);
      expect([...html.matchAll(/<h2 [^>]*>([^<]+)</g)].map(([, words]) => words)).toEqual(form);
      expect(headings(markdown, 3).filter((words) => /Config|Deploy|Health/.test(words))).toEqual([
        'Config',
        'Deploy',
        'Health',
      ]);
    }
  });

  test('is the same for the same rows, in any order', ({ expect }) => {
    const entries = takenBack();
    expect(renderReport(entries.toReversed())).toEqual(renderReport(entries));
  });

  test('says what failed, what to do, and that deploys wait', ({ expect }) => {
    const { markdown } = renderReport(takenBack());
    const blockers = markdown.slice(markdown.indexOf('## Blockers'));
    expect(blockers).toContain('Code: rollout.regressed');
    expect(blockers).toContain('What to do: read the report, mend the cause, and deploy again with --resume-deploys');
    // The step's error and the end's are one.
    expect(blockers.match(/Code:/g)).toHaveLength(1);
    expect(renderReport(goodRollout()).markdown).toContain('## Blockers\n\nNone.');
  });

  test('shows that a controller was replaced, and each restart of an instance', ({ expect }) => {
    const resumed = renderReport(crashResumed()).markdown;
    expect(resumed).toContain('Begun: 2 times: it was interrupted or tried again, and went on');
    expect(resumed).toContain('under 2 leases: a controller was replaced on the way');
    expect(resumed).toContain('controller started version 0.1.0, process 4242');
    expect(renderReport(neverReady()).markdown).toContain('| r4.web.0 | 4 | web | 3 |');
  });

  test('tells what differs in the census', ({ expect }) => {
    const differences = ['not planned: release 9 web 0: running, in the router'];
    const entries = buildRows({ rollout: 5, from: 1, to: 2 })
      .add({
        kind: 'census',
        body: { equal: false, expected: ['a'], found: ['a', 'release 9 web 0: running, in the router'], differences },
      })
      .finish('failed', 2, 'the census differs').entries;
    const { markdown } = renderReport(entries);
    expect(markdown).toContain('✗ different What really runs is not what was planned: not planned: release 9 web 0');
    expect(markdown).toContain('| ✗ absent | release 9 web 0: running, in the router |');
  });

  test('asks nobody for anything', ({ expect }) => {
    const { html } = renderReport(goodRollout());
    expect(html).not.toMatch(/<script|https?:|url\((?!#)|@import|<link (?!rel="icon" href="data:,")/);
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
    expect(html).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(html).not.toContain(' style=');
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('takes nothing that users wrote for markup', ({ expect }) => {
    const bad = '<img src=x onerror=alert(1)></style>"\'&<b> `c` | [l](javascript:x) **s**\n# h';
    const { html, markdown } = renderReport(takenBack(8, 2, 3, { actor: bad, ref: bad, message: bad }));
    expect(html).not.toMatch(/<img|onerror=alert\(1\)>|<b>/);
    expect(html.match(/<\/style>/g)).toHaveLength(1);
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;&lt;/style&gt;&quot;&#39;&amp;&lt;b&gt;');
    expect(markdown).not.toMatch(/<img|<b>|^# h|[^\\]\[l\]/m);
    expect(markdown).toContain('\\`c\\` \\| \\[l\\](javascript:x) \\*\\*s\\*\\* \\# h');
    for (const row of markdown.split('\n').filter((line) => line.startsWith('| Source'))) {
      expect(row.split(/(?<!\\)\|/)).toHaveLength(5);
    }
  });

  test('draws thousands of samples as few points, and says so in sums', ({ expect }) => {
    const rows = buildRows({ rollout: 6, from: 1, to: 2 });
    for (let i = 0; i < 1000; i++) rows.traffic([{ release: 2, weight: 100 }], { 2: { rate: 10 } });
    const { html } = renderReport(rows.finish('promoted', 2, 'done').entries);
    expect(html.match(/data-op="sum"/g)?.length).toBeLessThan(300);
    expect(html.length).toBeLessThan(1_000_000);
  });

  test('is written even when rows are few, or from another version', ({ expect }) => {
    const [odd] = buildRows({ rollout: 7, from: 1, to: 2 }).entries;
    const rows = buildRows({ rollout: 7, from: 1, to: 2 })
      .add({ kind: 'verdict', body: { stage: '5 %', weight: 5, verdict: 'healthy', because: '', input: null } })
      .add({ kind: 'traffic.sampled', body: { windowMs: 0, weights: [], releases: [] } })
      .finish('rolled-back', null, '', new TowpathError('a.b', 'c', { remedy: 'halt', hint: 'd' })).entries;
    expect(renderReport(rows).html).toContain('</html>');
    // A kind that this version does not know.
    const unknown = { ...odd, seq: 9999, kind: 'later.fact', body: { n: 1 } } as unknown as LedgerEntry;
    expect(renderReport([...rows, unknown]).html).toContain('</html>');
    for (let n = 0; n < rows.length; n++) expect(renderReport(rows.slice(0, n)).html).toContain('</html>');
  });
});

describe('a report of several rollouts', () => {
  const group = (ok: boolean): ReportGroup => ({
    title: 'A <good> release',
    promise: 'No request is lost.',
    entries: goodRollout(),
    figures: [
      {
        label: 'Failed requests',
        value: ok ? 0 : 3,
        unit: 'requests',
        bound: { is: 'exactly', limit: 0 },
        ok,
        source: 'load generator',
      },
      {
        label: 'Time to roll back',
        value: 4080,
        unit: 'ms',
        bound: { is: 'at most', limit: 15_000 },
        ok: true,
        source: 'ledger',
      },
      { label: 'Sent', value: Number.NaN, unit: '', ok: true, source: 'load generator' },
    ],
  });

  test('begins with the figures and what was broken', ({ expect }) => {
    expect(renderReports([group(true)], { title: 'Rehearsal' }).markdown).toMatch(/^# All 3 promises were kept\n/);
    const broken = renderReports([group(false), { ...group(true), entries: [] }], { title: 'Rehearsal' });
    expect(broken.markdown).toMatch(/^# 1 of 6 promises was broken: Failed requests \(A &lt;good&gt; release\)\n/);
    expect(broken.markdown).toContain(
      '| Failed requests | ✗ broken | 3 requests | exactly 0 requests | A &lt;good&gt; release | load generator |',
    );
    expect(broken.markdown).toContain('| Time to roll back | ✓ kept | 4.1 s | at most 15.0 s |');
    expect(broken.markdown).toContain('| Sent | ✓ kept | not measured | – |');
  });

  test('has one heading of the first level, and no id twice', ({ expect }) => {
    const { html } = renderReports([group(true), group(false)], { title: 'Rehearsal', note: 'on 2 cores' });
    expect(html.match(/<h1/g)).toHaveLength(1);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of html.matchAll(/(?:href="#|aria-labelledby=")([^" ]+)/g)) expect(ids).toContain(id);
  });
});

describe('figures', () => {
  const cases: readonly (readonly [string, string])[] = [
    [showPercent(0), '0 %'],
    [showPercent(100), '100 %'],
    [showPercent(6.6037), '6.6 %'],
    [showPercent(0.1), '0.1 %'],
    [showPercent(0.04), '0.04 %'],
    [showPercent(0.00003), '0.00003 %'],
    [showPercent(99.97), '100.0 %'],
    [showDuration(0), '0 ms'],
    [showDuration(999.4), '999 ms'],
    [showDuration(999.6), '1.0 s'],
    [showDuration(59_949), '59.9 s'],
    [showDuration(59_950), '1 min 0 s'],
    [showDuration(125_000), '2 min 5 s'],
    [showDuration(3_599_400), '59 min 59 s'],
    [showDuration(3_840_000), '1 h 4 min'],
    [showOffset(4100), '+4.1 s'],
    [showOffset(-2000), '−2.0 s'],
    [showMicroseconds(850), '850 µs'],
    [showMicroseconds(999.6), '1.0 ms'],
    [showMicroseconds(12_400), '12.4 ms'],
    [showMicroseconds(340_000), '340 ms'],
    [showMicroseconds(1_250_000), '1.25 s'],
    [escapeMarkdown('a_b*c\nd'), 'a\\_b\\*c d'],
  ];
  test.for(cases)('%s', ([shown, expected], { expect }) => {
    expect(shown).toBe(expected);
  });

  test('axes end on numbers that can be read', ({ expect }) => {
    expect([0.7, 1, 15.4, 21, 61_700].map(niceTop)).toEqual([0.8, 1, 20, 30, 80_000]);
    expect(timeTicks(9700, 5)).toEqual([0, 2000, 4000, 6000, 8000]);
    expect(timeTicks(400 * 86_400_000, 4)).toHaveLength(5);
  });
});
