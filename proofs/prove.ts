/**
 * npm run prove -- <name> [--quick]    runs one proof; its figures are the last line of stdout, as JSON
 * npm run prove -- --all [--quick]     runs them one after the other (quick: those that have a quick form)
 * npm run prove -- --list              shows them with their bounds
 *
 * Exit codes: 0 the promise holds, 1 it does not, 2 there is no such proof or option.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../packages/towpath/src/kernel/index.ts';
import type { Judged, Proof } from './proof.ts';
import { runProof, type ProofResult } from './runner.ts';
import { loadProofs } from './support/catalogue.ts';

const FOLDER = import.meta.dirname;

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      /** Another folder of proofs; used by the runner's own tests. */
      folder: { type: 'string', default: FOLDER },
    },
  });
  const proofs = await loadProofs(path.resolve(values.folder));
  if (values.list) {
    for (const proof of proofs) print(listed(proof));
    return 0;
  }
  const names = values.all
    ? proofs.filter((proof) => proof.quick || !values.quick).map(({ name }) => name)
    : positionals;
  if (names.length === 0) {
    tell('which proof? `npm run prove -- <name> [--quick]`; `--list` shows them');
    return 2;
  }
  const unknown = names.find((name) => !proofs.some((proof) => proof.name === name));
  if (unknown !== undefined) {
    const near = nearest(
      unknown,
      proofs.map((proof) => proof.name),
    );
    tell(
      `there is no proof "${unknown}"${near === undefined ? '' : `; did you mean "${near}"?`} (--list shows them all)`,
    );
    return 2;
  }

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  let ok = true;
  for (const proof of proofs.filter(({ name }) => names.includes(name))) {
    if (stop.signal.aborted) return 1;
    const started = performance.now();
    tell(`${proof.name}: ${proof.promise}`);
    const { result, judged, hung } = await runProof(proof, {
      quick: values.quick,
      signal: stop.signal,
      log: (line) => tell(`  ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`),
    });
    table(judged, result);
    if (!values.quick && values.folder === FOLDER) await keep(result);
    ok &&= result.ok;
    // A proof that ignores its deadline would keep this process from ending.
    if (hung) return 1;
  }
  return ok ? 0 : 1;
}

function listed(proof: Proof): string {
  const bounds = proof.bounds.map(
    (bound) =>
      `    ${bound.figure} ${bound.is} ${bound.limit} ${bound.unit}`.trimEnd() + (bound.fullOnly ? ' (full form)' : ''),
  );
  const minutes = proof.quick ? `quick ${proof.minutes.quick ?? proof.minutes.full} min, ` : '';
  return [`${proof.name}: ${proof.promise}`, `    (${minutes}full ${proof.minutes.full} min at most)`, ...bounds].join(
    '\n',
  );
}

/** The table for people, on stderr, and the one JSON line for machines, on stdout. */
function table(judged: readonly Judged[], result: ProofResult): void {
  const width = Math.max(...judged.map(({ figure }) => figure.length));
  for (const { figure, value, is, limit, unit, ok } of judged) {
    const shown = value === undefined ? 'not measured' : String(round(value));
    tell(`  ${ok ? 'ok  ' : 'FAIL'}  ${figure.padEnd(width)}  ${shown.padStart(12)}  ${is} ${limit} ${unit}`.trimEnd());
  }
  for (const [figure, value] of Object.entries(result.figures)) {
    if (!judged.some((bound) => bound.figure === figure))
      tell(`        ${figure.padEnd(width)}  ${String(round(value)).padStart(12)}`);
  }
  for (const note of result.notes) tell(`  note: ${note}`);
  for (const reason of result.failed) tell(`  FAILED: ${reason}`);
  tell(`  ${result.ok ? 'holds' : 'DOES NOT HOLD'} (${(result.ms / 1000).toFixed(1)} s)`);
  print(JSON.stringify(result));
}

/** Full runs are kept: docs/proofs.md shows the last figures. */
async function keep(result: ProofResult): Promise<void> {
  const folder = path.join(FOLDER, 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${result.proof}.json`), `${JSON.stringify(result)}\n`);
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
const tell = (line: string): boolean => process.stderr.write(`${line}\n`);
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 2;
}
// Whatever a failed proof still holds open must not keep a run from ending.
process.stdout.write('', () => process.exit());
