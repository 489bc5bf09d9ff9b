import type { Browser } from 'playwright-core';
import type { LedgerEntry } from '../../packages/towpath/src/evidence/index.ts';
import { inspectPage, VIEWS, type View } from './browser.ts';
import { wrongFigures } from './report-figures.ts';

export interface ReportCheck {
  readonly views: number;
  readonly figures: number;
  /** What is wrong, each in a sentence with its view; all empty when the report is as promised. */
  readonly console: readonly string[];
  readonly requests: readonly string[];
  readonly accessibility: readonly string[];
  readonly overflow: readonly string[];
  readonly wrong: readonly string[];
}

/**
 * Opens a report in a browser, in every view, and holds it against its rows of the ledger.
 * @param entries all rows that the page was made from
 */
export async function checkReport(
  browser: Browser,
  html: string,
  entries: readonly LedgerEntry[],
  options: { readonly views?: readonly View[]; readonly screenshots?: string } = {},
): Promise<ReportCheck> {
  const { views = VIEWS, screenshots } = options;
  const check = {
    views: views.length,
    figures: 0,
    console: [] as string[],
    requests: [] as string[],
    accessibility: [] as string[],
    overflow: [] as string[],
    wrong: [] as string[],
  };
  for (const view of views) {
    const name = `${view.width}-${view.theme}`;
    const found = await inspectPage(
      browser,
      html,
      view,
      screenshots === undefined ? {} : { screenshot: `${screenshots}-${name}.png` },
    );
    const say = (list: string[], lines: readonly string[]): void =>
      void list.push(...lines.map((line) => `${name}: ${line}`));
    say(check.console, found.console);
    say(check.requests, found.requests);
    say(check.accessibility, found.accessibility);
    if (found.overflow > 0 || found.sticking.length > 0) {
      say(check.overflow, [`${found.overflow} px wider than the window: ${found.sticking.join(', ')}`]);
    }
    // The figures are the same in each view.
    if (view === views[0]) {
      check.figures = found.figures.length;
      say(check.wrong, wrongFigures(found.figures, entries));
      say(
        check.wrong,
        found.unsourced.map((words) => `"${words}" names no source in the ledger`),
      );
    }
  }
  return check;
}
