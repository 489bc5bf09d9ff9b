import path from 'node:path';
import type { Proof, ProofContext } from './proof.ts';

export const proof: Proof = {
  name: 'report',
  promise:
    'The HTML report opens in a browser without a console error or a network request, at 375 and 1280 px, light and dark, ' +
    'passes axe, and every figure in it equals the ledger.',
  bounds: [
    { figure: 'consoleErrors', is: 'exactly', limit: 0, unit: '' },
    { figure: 'requests', is: 'exactly', limit: 0, unit: '' },
    { figure: 'axeViolations', is: 'exactly', limit: 0, unit: '' },
    { figure: 'overflowingViews', is: 'exactly', limit: 0, unit: '' },
    { figure: 'wrongFigures', is: 'exactly', limit: 0, unit: '' },
    { figure: 'figures', is: 'at least', limit: 500, unit: '' },
    { figure: 'views', is: 'at least', limit: 4, unit: '' },
  ],
  quick: true,
  minutes: { quick: 3, full: 5 },
  run,
};

/** Rows go through a real ledger first: what is rendered is what was read back. */
async function run(context: ProofContext): Promise<Awaited<ReturnType<Proof['run']>>> {
  // A browser is loaded only by who runs this proof, not by who lists all.
  const { openBrowser, VIEWS } = await import('./support/browser.ts');
  const { checkReport } = await import('./support/report-check.ts');
  const { renderReport, renderReports } = await import('../packages/towpath/src/evidence/index.ts');
  const { recordedStories } = await import('./support/report-stories.ts');

  const stories = await recordedStories(context.signal);
  const pages = [
    {
      name: 'rehearsal',
      entries: stories.flatMap(({ entries }) => entries),
      html: renderReports(
        stories.map((story) => ({ ...story, figures: story.figures })),
        { title: 'Rehearsal' },
      ).html,
    },
    // Quick: the whole of a rehearsal holds all parts of the single reports but their heads.
    ...stories
      .filter(({ name }) => !context.quick || name === 'taken-back')
      .map(({ name, entries }) => ({ name, entries, html: renderReport(entries).html })),
  ];

  const screenshots = context.quick ? undefined : await context.temporary();
  const browser = await openBrowser();
  const figures = {
    views: 0,
    figures: 0,
    consoleErrors: 0,
    requests: 0,
    axeViolations: 0,
    overflowingViews: 0,
    wrongFigures: 0,
  };
  const notes: string[] = [];
  try {
    for (const page of pages) {
      context.signal.throwIfAborted();
      const check = await checkReport(browser, page.html, page.entries, {
        // The long page takes a while in each view: the quick form opens it narrow and wide, once each.
        ...(context.quick && page.name === 'rehearsal' ? { views: VIEWS.filter(isDiagonal) } : {}),
        ...(screenshots === undefined ? {} : { screenshots: path.join(screenshots, page.name) }),
      });
      context.log(`${page.name}: ${check.figures} figures in ${check.views} views`);
      figures.views += check.views;
      figures.figures += check.figures;
      figures.consoleErrors += check.console.length;
      figures.requests += check.requests.length;
      figures.axeViolations += check.accessibility.length;
      figures.overflowingViews += check.overflow.length;
      figures.wrongFigures += check.wrong.length;
      const lines = [...check.console, ...check.requests, ...check.accessibility, ...check.overflow, ...check.wrong];
      notes.push(...lines.slice(0, 20).map((line) => `${page.name}, ${line}`));
    }
  } finally {
    await browser.close();
  }
  return { figures, notes };
}

const isDiagonal = ({ width, theme }: { width: number; theme: string }): boolean =>
  (width === 375) === (theme === 'light');
