/** Runs one proof under its deadline and holds what it measured against its bounds. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { judge, type Judged, type Proof, type ProofOutcome } from './proof.ts';
import { endLeftovers } from './support/leftovers.ts';

/** How long a proof may take to end after its signal was aborted. */
const GRACE_MS = 15_000;

/** The one JSON line that a run prints last; also what proofs/results keeps. */
export interface ProofResult {
  readonly proof: string;
  readonly quick: boolean;
  readonly ok: boolean;
  readonly figures: Readonly<Record<string, number>>;
  /** Why it is not ok, a sentence each; empty when it is. */
  readonly failed: readonly string[];
  readonly notes: readonly string[];
  readonly ms: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Short hash, with `+` when files differ from it; '' outside a git checkout. */
  readonly commit: string;
  readonly machine: { readonly cores: number; readonly node: string };
}

export interface RunOptions {
  readonly quick: boolean;
  readonly log: (line: string) => void;
  /** Ctrl-C. */
  readonly signal?: AbortSignal;
  /** Instead of the proof's own deadline; for tests. */
  readonly withinMs?: number;
  readonly graceMs?: number;
}

export interface Run {
  readonly result: ProofResult;
  readonly judged: readonly Judged[];
  /** True when the proof ignored its deadline: its promise may never settle, so end the process. */
  readonly hung: boolean;
}

/** Never rejects for what the proof does: every failure is in the result. */
export async function runProof(proof: Proof, options: RunOptions): Promise<Run> {
  const minutes = options.quick ? (proof.minutes.quick ?? proof.minutes.full) : proof.minutes.full;
  const withinMs = options.withinMs ?? minutes * 60_000;
  const started = performance.now();
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(new Error(`the proof ${proof.name} did not end within ${(withinMs / 60_000).toFixed(1)} minutes`));
  }, withinMs);
  const signal = options.signal === undefined ? deadline.signal : AbortSignal.any([options.signal, deadline.signal]);
  const folders: string[] = [];
  const mark = `proof-${randomUUID()}`;
  // Everything the proof starts inherits this, so what it leaves behind can be found and ended.
  process.env['TOWPATH_PROOF_RUN'] = mark;

  const failed: string[] = [];
  let outcome: ProofOutcome = { figures: {} };
  let hung = false;
  const over = new AbortController();
  const running = (async () => {
    outcome = await proof.run({
      quick: options.quick,
      signal,
      log: options.log,
      async temporary() {
        const folder = await mkdtemp(path.join(tmpdir(), `towpath-${proof.name}-`));
        // Passable for the embedded Postgres of a root user, which else keeps its data elsewhere, for good.
        await chmod(folder, 0o711);
        folders.push(folder);
        return folder;
      },
    });
  })();
  try {
    await Promise.race([running, giveUp(signal, options.graceMs ?? GRACE_MS, over.signal)]);
    if (signal.aborted) failed.push(sentence(signal.reason));
  } catch (error) {
    hung = error instanceof Hung;
    failed.push(sentence(signal.aborted ? signal.reason : error));
    if (!hung && !signal.aborted) options.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    clearTimeout(timer);
    over.abort();
  }

  const judged = judge(proof.bounds, outcome.figures, options.quick);
  for (const figure of judged) if (!figure.ok) failed.push(shortfall(figure));
  const left = await endLeftovers(mark, folders);
  if (left.length > 0) failed.push(`left processes behind: ${left.join(', ')}`);
  if (failed.length === 0) {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  } else if (folders.length > 0) {
    options.log(`kept for a look: ${folders.join(' ')}`);
  }
  return {
    judged,
    hung,
    result: {
      proof: proof.name,
      quick: options.quick,
      ok: failed.length === 0,
      figures: outcome.figures,
      failed,
      notes: outcome.notes ?? [],
      ms: Math.round(performance.now() - started),
      at: new Date().toISOString(),
      commit: await commit(),
      machine: { cores: cpus().length, node: process.version },
    },
  };
}

class Hung extends Error {}

/** Rejects when the proof goes on for too long after its signal was aborted. */
async function giveUp(signal: AbortSignal, graceMs: number, over: AbortSignal): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await delay(graceMs, undefined, { signal: over });
  throw new Hung();
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function shortfall(figure: Judged): string {
  const bound = `${figure.is} ${figure.limit} ${figure.unit}`.trimEnd();
  return figure.value === undefined
    ? `${figure.figure} was not measured; it must be ${bound}`
    : `${figure.figure} is ${figure.value}; it must be ${bound}`;
}

async function commit(): Promise<string> {
  const git = async (...argv: readonly string[]): Promise<string> =>
    (await promisify(execFile)('git', [...argv], { cwd: import.meta.dirname, timeout: 10_000 })).stdout.trim();
  try {
    const changed = await git('status', '--porcelain', '--untracked-files=no', '--', '..', ':(exclude)results');
    return `${await git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return '';
  }
}
