import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'vitest';
import type { LedgerEntry, LogLine } from '@towpath/wire';
import { EXIT } from './index.ts';
import {
  controlPlane,
  event,
  failure,
  json,
  ROLLED_BACK,
  STATUS,
  towpath,
  UNDER_WAY,
  view,
  type Route,
} from './testing.ts';

const execute = promisify(execFile);

const stream =
  (...parts: readonly string[]): Route =>
  (_, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' }).end(parts.join(''));
  };
const END = 'event: end\ndata: {}\n\n';
const deployRoutes = (entries: readonly LedgerEntry[], status: 'promoted' | 'rolled-back'): Record<string, Route> => ({
  'POST /v1/rollouts': json(view('running'), 202),
  'GET /v1/rollouts/7/events': stream('event: progress\ndata: npm ci\n\n', ...entries.map(event), END),
  'GET /v1/rollouts/7': json(view(status)),
});

async function git(dir: string, ...args: readonly string[]): Promise<string> {
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false'];
  return (await execute('git', ['-C', dir, ...identity, ...args])).stdout.trim();
}

async function committed(dir: string): Promise<string> {
  await writeFile(path.join(dir, 'app.js'), 'one');
  await git(dir, 'init', '-q');
  await git(dir, 'add', 'app.js', 'towpath.config.ts');
  await git(dir, 'commit', '-qm', 'one');
  return await git(dir, 'rev-parse', 'HEAD');
}

test('nobody answers: exit 3 and the way up', async ({ expect, onTestFinished }) => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'towpath-cli-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  expect(await towpath(['status'], { cwd: dir })).toMatchObject({
    code: EXIT.usage,
    err: expect.stringContaining('towpath init'),
  });
  await writeFile(path.join(dir, 'towpath.config.ts'), '');
  const ran = await towpath(['status'], { cwd: dir });
  expect(ran).toMatchObject({ code: EXIT.unreachable, out: '' });
  expect(ran.err).toBe('✗ no control plane runs for this app\n  control.unreachable\n  → start it with `towpath up`\n');
});

test('status: for people, for programs, of one environment', async ({ expect, onTestFinished }) => {
  const { root } = await controlPlane({ 'GET /v1/status': json(STATUS) }, onTestFinished);
  expect((await towpath(['status', '-C', root])).out).toContain('http://127.0.0.1:8080');
  expect(JSON.parse((await towpath(['--json', 'status'], { cwd: root })).out)).toEqual(STATUS);
  const other = await towpath(['status', '-e', 'prod'], { cwd: root });
  expect(other).toMatchObject({ code: EXIT.usage });
  expect(other.err).toContain('use -e with local');
});

test('deploy takes HEAD of a clean tree and watches it to a good end', async ({ expect, onTestFinished }) => {
  const { root, asked } = await controlPlane(deployRoutes(UNDER_WAY, 'promoted'), onTestFinished);
  const head = await committed(root);
  const ran = await towpath(['deploy', '--plan', 'abc', '--wait', '--actor', 'ci:1'], { cwd: root });
  expect(ran).toMatchObject({ code: EXIT.ok, err: '' });
  expect(asked[0]).toEqual({
    what: 'POST /v1/rollouts',
    body: {
      environment: 'local',
      source: { kind: 'commit', dir: root, commit: head },
      reason: 'deploy',
      actor: 'ci:1',
      wait: true,
      resumeDeploys: false,
      plan: 'abc',
    },
  });
  expect(ran.out).toContain('10:00:04  ✓ Start 2 web instances of release 13  3.6s');
  expect(ran.out).toContain('report /r/7.html');
});

test('a release that is taken back ends 1, with figures and the report', async ({ expect, onTestFinished }) => {
  const { root } = await controlPlane(deployRoutes(ROLLED_BACK, 'rolled-back'), onTestFinished);
  const ran = await towpath(['deploy', '--dir', '.'], { cwd: root });
  expect(ran.code).toBe(EXIT.failed);
  expect(ran.out).toContain('↩ rolled back: release 12 serves after 11.1s');
  expect(ran.out).toContain('5,350 requests, 13 failed');
  const lines = (await towpath(['deploy', '--dir', '.', '--json'], { cwd: root })).out.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([...ROLLED_BACK, view('rolled-back')]);
});

test('on a terminal the timeline is drawn in place and stays', async ({ expect, onTestFinished }) => {
  const { root } = await controlPlane(deployRoutes(ROLLED_BACK, 'rolled-back'), onTestFinished);
  const ran = await towpath(['deploy', '--dir', '.'], { cwd: root, columns: 100 });
  expect(ran.out.startsWith('\u001B[?25l')).toBe(true);
  expect(ran.out).toContain('\u001B[?25h');
  expect(ran.out.lastIndexOf('rolled back: release 12 serves')).toBeGreaterThan(ran.out.lastIndexOf('\u001B[?2026h'));
  expect(ran.out.trimEnd().endsWith('report /r/7.html')).toBe(true);
});

test('uncommitted changes are refused by name; --dirty and --commit say what to take', async ({
  expect,
  onTestFinished,
}) => {
  const routes = { 'POST /v1/rollouts': json(view('running'), 202) };
  const { root, asked } = await controlPlane(routes, onTestFinished);
  const head = await committed(root);
  await git(root, 'tag', 'v1');
  await writeFile(path.join(root, 'app.js'), 'two');
  const refused = await towpath(['deploy'], { cwd: root });
  expect(refused.code).toBe(EXIT.usage);
  expect(refused.err).toMatch(/uncommitted changes: app\.js\n {2}deploy\.dirty_tree\n/);
  expect(asked).toEqual([]);
  expect((await towpath(['deploy', '--dirty', '--no-follow'], { cwd: root })).code).toBe(EXIT.ok);
  expect((await towpath(['deploy', '--commit', 'v1', '--no-follow'], { cwd: root })).code).toBe(EXIT.ok);
  expect(asked.map(({ body }) => Reflect.get(Object(body), 'source'))).toEqual([
    { kind: 'directory', dir: root },
    { kind: 'commit', dir: root, commit: head },
  ]);
  const unknown = await towpath(['deploy', '--commit', '--help-me'], { cwd: root });
  expect(unknown.code).toBe(EXIT.usage);
  expect((await towpath(['deploy', '--commit=-x'], { cwd: root })).err).toContain('deploy.no_such_commit');
});

test.for([
  [409, 'rollout.locked', EXIT.refused],
  [409, 'plan.changed', EXIT.refused],
  [404, 'api.not_found', EXIT.usage],
  [500, 'database.unreachable', EXIT.failed],
  [500, 'internal.unexpected', EXIT.unexpected],
] as const)(
  'an answer %d %s ends %d and is told as it came',
  async ([status, code, exit], { expect, onTestFinished }) => {
    const { root } = await controlPlane(
      { 'POST /v1/rollouts': failure(status, code, 'held by user:bob since 10:00', 'wait for it with --wait') },
      onTestFinished,
    );
    const ran = await towpath(['deploy', '--dir', '.'], { cwd: root });
    expect(ran).toMatchObject({ code: exit, out: '' });
    expect(ran.err).toContain('✗ held by user:bob since 10:00');
    expect(ran.err).toContain('→ wait for it with --wait');
    const { error } = JSON.parse((await towpath(['deploy', '--dir', '.', '--json'], { cwd: root })).out);
    expect(error).toMatchObject({ code, id: 'abcd1234' });
  },
);

test('a control plane that dies meanwhile: goes on from the last entry, and says so', async ({
  expect,
  onTestFinished,
}) => {
  let opened = 0;
  const { root, asked } = await controlPlane(
    {
      ...deployRoutes([], 'promoted'),
      'GET /v1/rollouts/7/events': ({ url }, answer) => {
        opened++;
        answer.writeHead(200, { 'content-type': 'text/event-stream' });
        if (opened === 1) {
          answer.write(UNDER_WAY.slice(0, 4).map(event).join(''), () => answer.destroy());
          return;
        }
        expect(url.searchParams.get('after')).toBe('4');
        // It may repeat what was sent.
        answer.end([...UNDER_WAY.slice(2).map(event), END].join(''));
      },
    },
    onTestFinished,
  );
  const ran = await towpath(['deploy', '--dir', '.'], { cwd: root });
  expect(ran.code).toBe(EXIT.ok);
  expect(ran.out).toContain('! the control plane is gone; the app serves on');
  expect(ran.out).toContain('the control plane is back');
  expect(ran.out.match(/✓ Run 1 migration/g)).toHaveLength(1);
  expect(asked.filter(({ what }) => what.startsWith('GET /v1/rollouts/7/events'))).toHaveLength(2);
});

test('Ctrl-C stops the watching, not the rollout', async ({ expect, onTestFinished }) => {
  let interrupt = (): void => {};
  const { root, asked } = await controlPlane(
    {
      ...deployRoutes([], 'promoted'),
      'GET /v1/rollouts/7/events': (_, answer) => {
        answer.writeHead(200, { 'content-type': 'text/event-stream' });
        answer.write(UNDER_WAY.slice(0, 3).map(event).join(''), () => setTimeout(interrupt, 50));
      },
    },
    onTestFinished,
  );
  const ran = await towpath(['deploy', '--dir', '.'], {
    cwd: root,
    onListening: (listener) => {
      interrupt = listener;
    },
  });
  expect(ran.code).toBe(EXIT.ok);
  expect(ran.out).toContain('Stopped watching; the rollout goes on by itself.');
  expect(asked.some(({ what }) => what.includes('signals'))).toBe(false);
});

test('rollback names the release and the reason, and is done when it is back', async ({ expect, onTestFinished }) => {
  const { root, asked } = await controlPlane(
    {
      ...deployRoutes(ROLLED_BACK, 'rolled-back'),
      'POST /v1/environments/production/signals': json({ answer: 'release 12 takes over', rollout: 7 }),
    },
    onTestFinished,
  );
  const ran = await towpath(['rollback', 'r12', '-e', 'production', '--reason', 'slow'], { cwd: root });
  expect(ran.code).toBe(EXIT.ok);
  expect(asked[0]?.body).toEqual({ signal: 'rollback', actor: 'user:ann', reason: 'slow', release: 12 });
  expect((await towpath(['rollback', 'last'], { cwd: root })).err).toContain('cli.bad_value');
});

test('logs: asks for what was named, prints who said it', async ({ expect, onTestFinished }) => {
  const line = (instance: string, text: string): LogLine => ({
    at: '2026-03-01T10:00:00.000Z',
    instance,
    release: 12,
    group: 'web',
    stream: 'out',
    line: text,
  });
  const lines = [line('i-1', 'hello'), line('i-22', 'there')];
  const { root, asked } = await controlPlane(
    { 'GET /v1/logs': stream(...lines.map((each) => `data: ${JSON.stringify(each)}\n\n`)) },
    onTestFinished,
  );
  const ran = await towpath(['logs', '-f', '-g', 'web', '-r', 'r12', '-n', '5'], { cwd: root });
  expect(ran.out).toBe('10:00:00 r12 web i-1 | hello\n10:00:00 r12 web i-22 | there\n');
  expect(asked[0]?.what).toBe('GET /v1/logs?environment=local&group=web&release=12&tail=5&follow=true');
});

test('evidence verify ends 1 and names the rows when the ledger does not hold', async ({ expect, onTestFinished }) => {
  const check = {
    intact: false,
    rows: 1234,
    head: 'h',
    problems: [{ seq: 17, problem: 'its hash does not follow from row 16' }],
  };
  const { root } = await controlPlane({ 'GET /v1/evidence/verify': json(check) }, onTestFinished);
  const ran = await towpath(['evidence', 'verify'], { cwd: root });
  expect(ran.code).toBe(EXIT.failed);
  expect(ran.out).toContain('row 17: its hash does not follow from row 16');
});

test('up deploys when nothing serves, and says where the app is', async ({ expect, onTestFinished }) => {
  const [environment] = STATUS.environments;
  const empty = {
    ...STATUS,
    environments: environment === undefined ? [] : [{ ...environment, serving: null, rollout: null, weights: [] }],
  };
  let asks = 0;
  const { root, asked } = await controlPlane(
    {
      ...deployRoutes(UNDER_WAY, 'promoted'),
      'GET /v1/status': (request, answer) => json(asks++ === 0 ? empty : STATUS)(request, answer),
    },
    onTestFinished,
  );
  const up = { up: () => Promise.resolve({ started: ['router'], running: ['postgres'], url: null }) };
  const ran = await towpath(['up'], { cwd: root, needs: up });
  expect(ran.code).toBe(EXIT.ok);
  expect(asked.some(({ what }) => what === 'POST /v1/rollouts')).toBe(true);
  expect(ran.out).toContain('http://127.0.0.1:8080');
  const again = await towpath(['up'], {
    cwd: root,
    needs: { up: () => Promise.resolve({ started: [], running: ['router'], url: null }) },
  });
  expect(again.out).toContain('everything runs already');
  expect(asked.filter(({ what }) => what === 'POST /v1/rollouts')).toHaveLength(1);
});

test('config check: the problems, with --json too', async ({ expect, onTestFinished }) => {
  const { root } = await controlPlane({}, onTestFinished);
  await writeFile(path.join(root, 'towpath.config.ts'), 'export default {\n  app: "a",\n  proceses: {},\n};\n');
  const ran = await towpath(['config', 'check'], { cwd: root });
  expect(ran.code).toBe(EXIT.usage);
  expect(ran.err).toContain(':3:3  proceses: "proceses" is not known here  did you mean processes?');
  const { error } = JSON.parse((await towpath(['config', 'check', '--json'], { cwd: root })).out);
  expect(error.details.problems).toHaveLength(2);
});

const BIN = fileURLToPath(new URL('../../bin/towpath.js', import.meta.url));
const TRACE = `data:text/javascript,${encodeURIComponent(
  "import { registerHooks } from 'node:module'; import { writeSync } from 'node:fs'; registerHooks({ load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); } });",
)}`;

test.for([['--help'], ['--version']])('%s loads nothing but itself', async ([flag = ''], { expect }) => {
  const { stdout, stderr } = await execute(process.execPath, ['--import', TRACE, BIN, flag]);
  expect(stdout).not.toBe('');
  expect(stderr.split('\n').filter((url) => url.startsWith('file:') && !url.endsWith('bin/towpath.js'))).toEqual([]);
});

test('status through the real binary, without zod and undici', async ({ expect, onTestFinished }) => {
  const { root } = await controlPlane({ 'GET /v1/status': json(STATUS) }, onTestFinished);
  const { stdout, stderr } = await execute(process.execPath, ['--import', TRACE, BIN, 'status'], { cwd: root });
  expect(stdout).toContain('growth');
  expect(stderr).toContain('/cli/run/status.ts');
  expect(stderr).not.toMatch(/node_modules\/(zod|undici|hono)/);
});
