export { createLedger, LEDGER_CHANNEL, type About, type Ledger, type LedgerNeeds, type Reading } from './ledger.ts';
export { fileAnchor, type Anchor } from './anchor.ts';
export type { Head } from './row.ts';
export type { Problem, Verification } from './verify.ts';
export type { Fact, FactKind, LedgerEntry, Record, TrafficSample, Weight } from './model.ts';
export {
  renderReport,
  renderReports,
  type Rendered,
  type ReportAbout,
  type ReportFigure,
  type ReportGroup,
  type ReportsAbout,
} from './report/report.ts';
