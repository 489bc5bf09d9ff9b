import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { ensureDebianPackages } from './debian.ts';

/** No sandbox: tests run as root. The rest keeps Chromium from talking to the world by itself. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's Chromium without a window; it is installed when missing. Close it. */
export async function openBrowser(): Promise<Browser> {
  await ensureDebianPackages(['chromium']);
  return await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS });
}

export interface View {
  readonly width: number;
  readonly theme: 'light' | 'dark';
}

/** What a reader's browser has to show: narrow and wide, light and dark. */
export const VIEWS: readonly View[] = [375, 1280].flatMap((width) =>
  (['light', 'dark'] as const).map((theme) => ({ width, theme })),
);

/** A value on the page that names its source. */
export interface ShownFigure {
  readonly ledger: string;
  readonly op: string;
  readonly as: string;
  readonly text: string;
}

export interface PageFindings {
  readonly view: View;
  /** Console errors and warnings, and uncaught errors. */
  readonly console: readonly string[];
  /** Everything that was asked for but the page itself. */
  readonly requests: readonly string[];
  /** What axe-core found, each with its first element. */
  readonly accessibility: readonly string[];
  /** Pixels by which the page is wider than the window, and what sticks out. */
  readonly overflow: number;
  readonly sticking: readonly string[];
  readonly figures: readonly ShownFigure[];
  /** Text with digits that names no source. */
  readonly unsourced: readonly string[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Opens a self-contained page as a file and looks at it as a reader would. */
export async function inspectPage(
  browser: Browser,
  html: string,
  view: View,
  options: { readonly screenshot?: string } = {},
): Promise<PageFindings> {
  const dir = await mkdtemp(path.join(tmpdir(), 'towpath-page-'));
  const context = await browser.newContext({
    viewport: { width: view.width, height: 900 },
    colorScheme: view.theme,
    reducedMotion: 'reduce',
  });
  try {
    const file = path.join(dir, 'page.html');
    await writeFile(file, html);
    const url = pathToFileURL(file).href;
    const page = await context.newPage();
    const heard: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        heard.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => heard.push(`uncaught: ${error.message}`));
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) requests.push(request.url());
    });
    await page.goto(url, { waitUntil: 'load' });
    // What is folded away has to hold as well.
    await page.evaluate(UNFOLD);
    const look: Omit<PageFindings, 'view' | 'console' | 'requests' | 'accessibility'> = await page.evaluate(LOOK);
    const accessibility = await axe(page);
    if (options.screenshot !== undefined) {
      await page.evaluate(FOLD);
      await page.screenshot({ path: options.screenshot, fullPage: true });
    }
    return { view, console: heard, requests, accessibility, ...look };
  } finally {
    await context.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** What is read off the page, run inside of it; as text, because our types know no browser. */
const LOOK = `(() => {
  const root = document.documentElement;
  const sticking = [...document.body.querySelectorAll('*')]
    .filter((element) => element.closest('.scroll') === null || element.classList.contains('scroll'))
    .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
    .map((element) => element.tagName.toLowerCase() + '.' + (element.getAttribute('class') ?? ''));
  const figures = [...document.querySelectorAll('[data-ledger]')].map((element) => ({
    ledger: element.getAttribute('data-ledger') ?? '',
    op: element.getAttribute('data-op') ?? 'is',
    as: element.getAttribute('data-as') ?? '',
    text: element.textContent ?? '',
  }));
  const unsourced = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement?.closest('[data-ledger],[data-told],[data-label],code,svg')) continue;
    const words = (node.textContent ?? '').replaceAll(/\\bp50\\b|\\bp99\\b|\\bsha256\\b/g, '');
    if (/\\d/.test(words)) unsourced.push(words.trim());
  }
  return { overflow: root.scrollWidth - root.clientWidth, sticking: sticking.slice(0, 10), figures, unsourced };
})()`;

const UNFOLD = 'for (const details of document.querySelectorAll("details")) details.open = true';
const FOLD = 'for (const details of document.querySelectorAll("details")) details.open = false';

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

async function axe(page: Page): Promise<readonly string[]> {
  // Evaluated through the debugger, so that the page's own policy does not have to allow it.
  await page.evaluate(AXE);
  const result: AxeResult = await page.evaluate(
    'axe.run(document, { preload: false, resultTypes: ["violations"] }).then(({ violations }) => ({ violations }))',
  );
  return result.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help} (${nodes.length}): ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary ?? ''}`,
  );
}
