import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView } from '@towpath/wire';
import type { Project, Ran, ToyOptions } from '../project.ts';
import { writeToy } from '../project.ts';
import { wrongAtRest } from '../world.ts';

/** What every case works at: one app that serves all along, and a folder for its next version. */
export interface Bench {
  readonly project: Project;
  /** Where the next version is written, anew for each. */
  readonly source: string;
  readonly quick: boolean;
  readonly signal: AbortSignal;
  /** Which release is to serve. */
  serving: number;
  /** Counts versions, so that each differs. */
  version: number;
  /** A fresh folder. */
  temporary(): Promise<string>;
}

export interface Case {
  readonly name: string;
  /** Left out of the quick form: it waits long, and another case shows the like. */
  readonly fullOnly?: true;
  /** Requests may go to another release meanwhile: a rollout really begins to shift. */
  readonly shifts?: true;
  /** Plants the bad input, looks at what was said of it, and takes it away. @returns what is wrong, a sentence each */
  run(bench: Bench): Promise<readonly string[]>;
}

/** What is to be said about a bad input. */
export interface Expected {
  readonly code: string;
  /** Of the CLI. */
  readonly exit: number;
  readonly message?: RegExp;
  /** What the advice must name; that it is an instruction is checked besides. */
  readonly hint?: RegExp;
}

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

const INSTRUCTION =
  /^(?:`towpath |(?:check|choose|correct|create|deploy|drop|end|free|keep|lower|make|name|nothing to do|raise|read|run|see|set|start|stop|take|the lockfile does not fit package.json: run|use|wait|write)\b)/i;

/** What the CLI or a rollout said, held against what it should have. */
export function wrongTold(exit: number, told: Told | null | undefined, expected: Expected): readonly string[] {
  if (told === null || told === undefined) return [`exit code ${exit} without an error`];
  const { code, message, hint } = told;
  return [
    ...(exit === expected.exit ? [] : [`exit code ${exit}, not ${expected.exit}`]),
    ...(code === expected.code ? [] : [`code ${code} (${message}), not ${expected.code}`]),
    ...((expected.message?.test(message) ?? true) ? [] : [`the message lacks ${expected.message}: ${message}`]),
    ...((expected.hint?.test(hint) ?? true) ? [] : [`the hint lacks ${expected.hint}: ${hint}`]),
    ...(INSTRUCTION.test(hint) ? [] : [`the hint is no instruction: ${hint}`]),
  ];
}

/** The last JSON document that a command printed, to be parsed; `null` when it printed none. */
export function lastDocument(ran: Ran): string {
  const line = ran.stdout.trimEnd().split('\n').at(-1) ?? '';
  return line.startsWith('{') ? line : 'null';
}

/** The error of a command that refused. */
export function refusal(ran: Ran): Told | undefined {
  const answer: { error?: Told } | null = JSON.parse(lastDocument(ran));
  return answer?.error;
}

/** Writes the next version of the app into the bench's folder. */
export async function writeNext(bench: Bench, options: ToyOptions = {}): Promise<void> {
  await rm(bench.source, { recursive: true, force: true });
  const { behaviour } = options;
  await writeToy(bench.source, { ...options, behaviour: { ...behaviour, version: `v${++bench.version}` } });
}

/** Deploys what is in the bench's folder and watches it to its end. */
export async function deploy(bench: Bench): Promise<{ readonly ran: Ran; readonly view: RolloutView | undefined }> {
  const ran = await bench.project.cli(['deploy', '--dir', bench.source, '--json', '--resume-deploys']);
  const view: RolloutView | null = JSON.parse(lastDocument(ran));
  return { ran, view: view ?? undefined };
}

/** A deploy of what was written: it must be taken back with this error, in words for people too. */
export async function wrongDeploy(bench: Bench, expected: Omit<Expected, 'exit'>): Promise<readonly string[]> {
  const { ran, view } = await deploy(bench);
  const wrong = wrongTold(ran.code, view?.error, { ...expected, exit: 1 });
  return view?.status === 'rolled-back' ? wrong : [...wrong, `the rollout is ${view?.status ?? 'not there'}`];
}

/** A deploy that is good goes through: nothing of the trouble before is left in its way. */
export async function wrongAfterwards(bench: Bench): Promise<readonly string[]> {
  await writeNext(bench);
  const { ran, view } = await deploy(bench);
  if (ran.code !== 0 || view?.status !== 'promoted') {
    return [
      `a good deploy afterwards ended with ${ran.code}, ${view?.status}: ${view?.because ?? ran.stdout.slice(-500)}`,
    ];
  }
  bench.serving = view.to;
  return [];
}

/** What is wrong with the world, once it has had its time to come to rest. */
export async function wrongAtLast(bench: Bench, withinMs = 15_000): Promise<readonly string[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const wrong = await wrongAtRest(bench.project, { release: bench.serving }).catch((error: unknown) => [
      String(error),
    ]);
    if (wrong.length === 0 || performance.now() > deadline) return wrong;
    await delay(200, undefined, { signal: bench.signal });
  }
}

/** Waits until the control plane leads and knows its router. */
export async function leads(project: Project, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const status = await project.status().catch(() => undefined);
    if (status?.control.leader === true && status.environments.every(({ router }) => router !== null)) return;
    await delay(50, undefined, { signal });
  }
  throw new Error('the control plane does not lead');
}

/** Listens on a free port in this process, so that nobody else can. */
export async function takePort(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port was given');
  return {
    port: address.port,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** The embedded Postgres of the project. */
export async function postgresOf(project: Project): Promise<{ readonly pid: number; url(database: string): string }> {
  const dir = path.join(project.dir, '.towpath', 'postgres');
  const { pid, port }: { pid: number; port: number } = JSON.parse(
    await readFile(path.join(dir, 'server.json'), 'utf8'),
  );
  const password = (await readFile(path.join(dir, 'password'), 'utf8')).trim();
  return { pid, url: (database) => `postgresql://postgres:${password}@127.0.0.1:${port}/${database}` };
}
