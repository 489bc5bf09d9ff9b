import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { LedgerEntry, RolloutView, Status } from '@towpath/wire';
import { runCli, type CliNeeds } from './index.ts';

type Finish = (fn: () => Promise<void>) => void;

/** A command line run in this process, with what it printed. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Columns of the terminal that stdout is; without it stdout is a pipe. */
  readonly columns?: number;
  /** Is given what Ctrl-C does. */
  readonly onListening?: (interrupt: () => void) => void;
  readonly needs?: Partial<CliNeeds>;
}

export const NOW = Date.parse('2026-03-01T10:01:00.000Z');

export async function towpath(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const unexpected = (): Promise<never> => Promise.reject(new Error('not expected'));
  const code = await runCli(argv, {
    version: '1.2.3',
    env: { USER: 'ann', ...options.env },
    cwd: options.cwd ?? os.tmpdir(),
    stdout: {
      write: (text) => {
        out += text;
      },
      isTTY: options.columns !== undefined,
      columns: options.columns,
      rows: options.columns === undefined ? undefined : 60,
    },
    stderr: {
      write: (text) => {
        err += text;
      },
      isTTY: false,
      columns: undefined,
      rows: undefined,
    },
    now: () => NOW,
    onInterrupt(listener) {
      options.onListening?.(listener);
      return () => {};
    },
    up: unexpected,
    down: unexpected,
    serve: unexpected,
    ...options.needs,
  });
  return { code, out, err };
}

export type Route = (request: { readonly url: URL; readonly body: unknown }, answer: ServerResponse) => void;

export interface ControlPlane {
  readonly root: string;
  /** `POST /v1/rollouts {...}`, in order. */
  readonly asked: readonly { readonly what: string; readonly body: unknown }[];
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  return text === '' ? undefined : JSON.parse(text);
}

/** A project folder whose control plane answers from these routes, over a real Unix socket. */
export async function controlPlane(
  routes: Readonly<Record<string, Route>>,
  onTestFinished: Finish,
): Promise<ControlPlane> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'towpath-cli-'));
  await mkdir(path.join(root, '.towpath'));
  await writeFile(path.join(root, 'towpath.config.ts'), 'export default {};\n');
  const asked: { what: string; body: unknown }[] = [];
  const server = createServer((request, answer) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://towpath');
      const body = await bodyOf(request);
      asked.push({ what: `${request.method ?? ''} ${url.pathname}${url.search}`, body });
      const route = routes[`${request.method ?? ''} ${url.pathname}`];
      if (route === undefined) failure(404, 'api.not_found', `no route ${url.pathname}`)({ url, body }, answer);
      else route({ url, body }, answer);
    })();
  });
  await new Promise<void>((resolve) => {
    server.listen(path.join(root, '.towpath', 'control.sock'), resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
    await rm(root, { recursive: true, force: true });
  });
  return { root, asked };
}

export const json =
  (value: unknown, status = 200): Route =>
  (_, answer) => {
    answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };

export const failure = (status: number, code: string, message: string, hint = 'do something else'): Route =>
  json({ error: { code, message, hint, remedy: 'halt', id: 'abcd1234' } }, status);

export const event = (entry: LedgerEntry): string => `id: ${entry.seq}\ndata: ${JSON.stringify(entry)}\n\n`;

type Body = Readonly<Record<string, unknown>>;

/** Entries of one rollout, each `[seconds since the start, kind, body]`. */
export function entries(rows: readonly (readonly [number, string, Body])[]): readonly LedgerEntry[] {
  return rows.map(([seconds, kind, body], i) => ({
    seq: i + 1,
    at: new Date(Date.parse('2026-03-01T10:00:00.000Z') + seconds * 1000).toISOString(),
    scope: { app: 'growth', environment: 'production' },
    rollout: 7,
    actor: 'engine',
    kind,
    body,
    previous: '',
    hash: '',
  }));
}

const STEPS = [
  'Run 1 migration',
  'Start 2 web instances of release 13',
  'Send 5 % to release 13',
  'Send 100 % to release 13',
];
const step = (index: number, more: Body = {}): Body => ({
  index,
  step: `s${index}`,
  title: STEPS[index] ?? '',
  direction: 'do',
  attempt: 1,
  ...more,
});

/** A rollout that got to 5 % and is judged there. */
export const UNDER_WAY = entries([
  [0, 'rollout.started', { from: 12, to: 13, reason: 'deploy', planHash: 'h' }],
  [
    0,
    'rollout.planned',
    {
      from: 12,
      to: 13,
      reason: 'deploy',
      steps: STEPS.map((title, index) => ({ index, name: `s${index}`, title, undo: '' })),
    },
  ],
  [0.1, 'step.started', step(0)],
  [0.5, 'migration.applied', { name: '002_add.sql', sha256: 'x', ms: 210, attempts: 1 }],
  [0.6, 'step.done', step(0, { ms: 480, proof: '2 of 2 migrations are in the database' })],
  [0.6, 'step.started', step(1)],
  [4.2, 'step.done', step(1, { ms: 3600, proof: '2 instances are ready' })],
  [4.2, 'step.started', step(2)],
  [
    4.3,
    'traffic.shifted',
    {
      weights: [
        { release: 12, weight: 95 },
        { release: 13, weight: 5 },
      ],
      because: 'stage',
      ms: 3,
    },
  ],
  [
    9.3,
    'traffic.sampled',
    {
      windowMs: 5000,
      weights: [
        { release: 12, weight: 95 },
        { release: 13, weight: 5 },
      ],
      releases: [
        { release: 12, requests: 4750, failures: 0, p50Us: 2100, p99Us: 9400 },
        { release: 13, requests: 250, failures: 0, p50Us: 2100, p99Us: 12_300 },
      ],
    },
  ],
  [
    9.4,
    'verdict',
    {
      stage: '5',
      weight: 5,
      verdict: 'insufficient',
      because: '30 of the 50 requests that a verdict needs',
      input: {},
    },
  ],
]);

/** The same, regressed and taken back. */
export const ROLLED_BACK = [
  ...UNDER_WAY,
  ...entries([
    [
      10,
      'verdict',
      {
        stage: '5',
        weight: 5,
        verdict: 'regressed',
        because: '13 of 250 requests to release 13 failed (5.2 %), 0 of 4,750 to release 12',
        input: {},
      },
    ],
    [
      10,
      'step.failed',
      step(2, {
        ms: 5800,
        error: {
          code: 'release.regressed',
          message: 'release 13 is regressed at 5 %',
          hint: '',
          remedy: 'undo',
          id: '',
        },
      }),
    ],
    [10, 'step.started', step(2, { direction: 'undo' })],
    [
      10.1,
      'traffic.shifted',
      {
        weights: [
          { release: 12, weight: 100 },
          { release: 13, weight: 0 },
        ],
        because: 'undo',
        ms: 2,
      },
    ],
    [10.2, 'step.done', step(2, { direction: 'undo', ms: 160, proof: 'release 12 gets 100 %' })],
    [10.2, 'step.started', step(1, { direction: 'undo' })],
    [11, 'step.done', step(1, { direction: 'undo', ms: 800, proof: 'no instance of release 13 runs' })],
    [
      11.1,
      'rollout.finished',
      {
        outcome: 'rolled-back',
        serving: 12,
        because: '13 of 250 requests to release 13 failed (5.2 %), 0 of 4,750 to release 12',
        ms: 11_100,
        releases: [
          { release: 12, requests: 5100, failures: 0, p50Us: 2100, p99Us: 9400 },
          { release: 13, requests: 250, failures: 13, p50Us: 2100, p99Us: 12_300 },
        ],
        error: null,
      },
    ],
  ]).map((entry, i) => ({ ...entry, seq: UNDER_WAY.length + i + 1 })),
];

export const view = (status: RolloutView['status']): RolloutView => ({
  id: 7,
  environment: 'local',
  from: 12,
  to: 13,
  reason: 'deploy',
  status,
  paused: false,
  phase: 'stage 5 %',
  actor: 'user:ann',
  startedAt: '2026-03-01T10:00:00.000Z',
  endedAt: null,
  because: null,
  error: null,
  steps: [],
  report: { markdown: '/r/7.md', html: '/r/7.html' },
});

export const STATUS: Status = {
  app: 'growth',
  control: { pid: 4711, version: '1.2.3', startedAt: '2026-03-01T08:59:00.000Z', leader: true },
  database: 'postgresql://127.0.0.1:5433/towpath',
  environments: [
    {
      environment: 'local',
      provider: 'local',
      url: 'http://127.0.0.1:8080',
      serving: 12,
      weights: [
        { release: 12, weight: 75 },
        { release: 13, weight: 25 },
      ],
      router: { pid: 4712, startedAt: '2026-03-01T09:00:00.000Z', lostAtRestart: 2 },
      trouble: [],
      deploysPaused: null,
      instances: [
        {
          id: 'i-1',
          release: 12,
          group: 'web',
          kind: 'web',
          state: 'running',
          role: 'active',
          pid: 1,
          port: 40_001,
          restarts: 0,
          lastExit: null,
          healthy: true,
        },
        {
          id: 'i-2',
          release: 13,
          group: 'web',
          kind: 'web',
          state: 'running',
          role: 'active',
          pid: 2,
          port: 40_002,
          restarts: 2,
          lastExit: 'exit 1',
          healthy: false,
        },
        {
          id: 'i-3',
          release: 12,
          group: 'executor',
          kind: 'worker',
          state: 'running',
          role: 'active',
          pid: 3,
          port: null,
          restarts: 0,
          lastExit: null,
          healthy: null,
        },
      ],
      rollout: view('running'),
      releases: [],
      testHeader: 'x-towpath-release',
    },
  ],
};
