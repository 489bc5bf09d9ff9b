import path from 'node:path';
import { renderReport, type Ledger } from '../evidence/index.ts';
import type { Scope } from '../kernel/index.ts';
import { ensureDir, writeAtomic } from '../system/index.ts';
import type { Layout } from './layout.ts';

/** Renders the report of an ended rollout from the ledger into the reports folder. */
export function createReports(layout: Layout, ledger: Ledger, scope: Scope) {
  const of = (rollout: number): { readonly markdown: string; readonly html: string } => {
    const base = path.join(layout.reports, `${scope.environment}-rollout-${rollout}`);
    return { markdown: `${base}.md`, html: `${base}.html` };
  };
  return {
    of,
    async write(rollout: number) {
      const files = of(rollout);
      const { markdown, html } = renderReport(await ledger.story(rollout));
      await ensureDir(layout.reports);
      await writeAtomic(files.markdown, markdown);
      await writeAtomic(files.html, html);
      return files;
    },
  };
}
