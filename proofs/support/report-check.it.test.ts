import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { renderReport } from '../../packages/towpath/src/evidence/index.ts';
import { neverReady, takenBack } from '../../packages/towpath/src/evidence/testing.ts';
import { openBrowser, type ShownFigure } from './browser.ts';
import { checkReport, type ReportCheck } from './report-check.ts';
import { wrongFigures } from './report-figures.ts';

// A check that has never failed has proved nothing: each of these plants one fault.
describe('the check of a report sees', () => {
  // The shortest report that has all the parts: each test opens it in a browser.
  const entries = neverReady();
  const sound = renderReport(entries).html;
  const policy = /<meta http-equiv="Content-Security-Policy"[^>]*>/;
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });
  const look = (html: string): Promise<ReportCheck> =>
    checkReport(browser, html, entries, { views: [{ width: 375, theme: 'light' }] });
  const plant = (html: string, from: string | RegExp, to: string): string => {
    const changed = html.replace(from, to);
    if (changed === html) throw new Error(`there is no ${String(from)} to plant a fault in`);
    return changed;
  };

  test('nothing in a sound one', async ({ expect }) => {
    const none = { console: [], requests: [], accessibility: [], overflow: [], wrong: [] };
    expect(await look(sound)).toMatchObject({ views: 1, ...none });
  });

  test('what the policy had to stop', async ({ expect }) => {
    const image = '<img alt="" src="http://127.0.0.1:9/x.png"></main>';
    const { console: heard } = await look(plant(sound, '</main>', image));
    expect(heard).toEqual([expect.stringContaining('Content Security Policy')]);
  });

  test('each fault, among others', async ({ expect }) => {
    const faults: readonly (readonly [string | RegExp, string])[] = [
      [policy, ''],
      ['data-as="count">3<', 'data-as="count">4<'],
      ['kept serving', 'kept serving 3 times'],
      ['--soft:#51605d', '--soft:#c9d0ce'],
      ['footer{', '#wide{width:600px}footer{'],
      ['<html lang="en">', '<html>'],
      [
        '</main>',
        '<img alt="" src="http://127.0.0.1:9/x.png"><p id="wide">wide</p></main><script>nothing.there()</script>',
      ],
    ];
    const check = await look(faults.reduce((html, [from, to]) => plant(html, from, to), sound));
    expect(check.wrong).toEqual([
      expect.stringContaining('the ledger says 3'),
      expect.stringContaining('"kept serving 3 times'),
    ]);
    expect(check.requests).toEqual([expect.stringContaining('http://127.0.0.1:9/x.png')]);
    expect(check.console).toContainEqual(expect.stringContaining('uncaught: nothing is not defined'));
    expect(check.overflow).toEqual([expect.stringContaining('p.')]);
    expect(check.accessibility).toContainEqual(expect.stringContaining('color-contrast'));
    expect(check.accessibility).toContainEqual(expect.stringContaining('html-has-lang'));
  });
});

describe('a figure is compared to its last digit', () => {
  const entries = takenBack();
  const first = entries.find((entry) => entry.kind === 'rollout.finished');
  const at = (path: string, op: string, as: string, text: string): ShownFigure => ({
    ledger: path
      .split(' ')
      .map((part) => `${first?.seq}:${part}`)
      .join(' '),
    op,
    as,
    text,
  });
  const cases: readonly (readonly [string, ShownFigure, boolean])[] = [
    ['as it is', at('body.releases.0.requests', 'is', 'count', '7,123'), true],
    ['one more', at('body.releases.0.requests', 'is', 'count', '7,124'), false],
    ['a sum', at('body.releases.1.requests body.releases.0.requests', 'sum', 'count', '7,329'), true],
    ['a share', at('body.releases.1.failures body.releases.1.requests', 'share', 'percent', '8.3 %'), true],
    [
      'a share of another digit',
      at('body.releases.1.failures body.releases.1.requests', 'share', 'percent', '8.2 %'),
      false,
    ],
    [
      'a share hidden by rounding',
      at('body.releases.1.failures body.releases.1.requests', 'share', 'percent', '0 %'),
      false,
    ],
    ['another unit', at('body.releases.1.requests', 'is', 'ms', '206 s'), false],
    ['no such member', at('body.releases.9.requests', 'is', 'count', '206'), false],
    ['words', at('body.outcome', 'is', 'text', 'rolled-back'), true],
    ['other words', at('body.outcome', 'is', 'text', 'promoted'), false],
    ['an unknown way', at('body.outcome', 'guess', 'text', 'rolled-back'), false],
  ];
  test.for(cases)('%s', ([, figure, right], { expect }) => {
    expect(wrongFigures([figure], entries)).toHaveLength(right ? 0 : 1);
  });
});
