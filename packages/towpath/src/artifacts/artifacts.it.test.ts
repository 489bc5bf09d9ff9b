import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { run, systemClock } from '../system/index.ts';
import { createArtifacts, type BuildRules } from './index.ts';

type Finish = (work: () => void) => void;

const rules: BuildRules = { timeout: 60_000, exclude: [] };
let template: string;

const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd, encoding: 'utf8' }).trim();

/** An app with a runtime and a development dependency, both as tarballs, and a lockfile: no registry needed. */
beforeAll(() => {
  template = mkdtempSync(path.join(tmpdir(), 'towpath-artifact-app-'));
  for (const name of ['dep', 'tool']) {
    const dir = path.join(template, 'packed', name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    writeFileSync(path.join(dir, 'index.js'), `module.exports = '${name}';`);
    execFileSync('npm', ['pack', '--pack-destination', template, '--silent'], { cwd: dir });
  }
  rmSync(path.join(template, 'packed'), { recursive: true });
  const manifest = {
    name: 'app',
    version: '1.0.0',
    dependencies: { dep: 'file:./dep-1.0.0.tgz' },
    devDependencies: { tool: 'file:./tool-1.0.0.tgz' },
  };
  writeFileSync(path.join(template, 'package.json'), JSON.stringify(manifest));
  writeFileSync(path.join(template, 'main.js'), "console.log(require('dep'))");
  writeFileSync(path.join(template, '.gitignore'), 'node_modules\nignored.txt\n');
  execFileSync('npm', ['install', '--package-lock-only', '--silent', '--no-audit', '--no-fund'], { cwd: template });
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

function setup(onTestFinished: Finish) {
  const dir = mkdtempSync(path.join(tmpdir(), 'towpath-artifact-'));
  onTestFinished(() => {
    execFileSync('chmod', ['-R', 'u+w', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  const app = path.join(dir, 'repo', 'apps', 'web');
  mkdirSync(path.dirname(app), { recursive: true });
  execFileSync('cp', ['-r', template, app]);
  const repo = path.join(dir, 'repo');
  git(repo, 'init', '--quiet');
  writeFileSync(path.join(repo, 'top.txt'), 'not part of the app');
  git(repo, 'add', '-A');
  git(repo, 'commit', '--quiet', '-m', 'one');
  const environment = { ...process.env, DATABASE_URL: 'postgresql://secret' };
  const artifacts = createArtifacts({ dir: path.join(dir, 'store'), run, environment, elapsed: systemClock.elapsed });
  return { app, repo, store: path.join(dir, 'store'), artifacts };
}

test('a commit and a folder with the same content give the same sealed artifact, though built apart', async ({
  expect,
  onTestFinished,
}) => {
  const { app, artifacts, store } = setup(onTestFinished);
  const [first, racing] = await Promise.all([
    artifacts.build({ source: { kind: 'commit', dir: app, commit: 'HEAD' }, rules: async () => rules }),
    artifacts.build({ source: { kind: 'directory', dir: app }, rules: async () => rules }),
  ]);
  expect(racing.digest).toBe(first.digest);
  expect(first.reused).not.toBe(racing.reused);
  expect(first.ref).toMatch(/^[0-9a-f]{40}$/);
  expect(readdirSync(first.location).toSorted()).toEqual([
    '.gitignore',
    'dep-1.0.0.tgz',
    'main.js',
    'node_modules',
    'package-lock.json',
    'package.json',
    'tool-1.0.0.tgz',
  ]);
  expect(readdirSync(path.join(first.location, 'node_modules')).toSorted()).toEqual(['.package-lock.json', 'dep']);
  expect(statSync(path.join(first.location, 'main.js')).mode & 0o777).toBe(0o444);
  expect(execFileSync('node', ['main.js'], { cwd: first.location, encoding: 'utf8' })).toBe('dep\n');

  // What git ignores, what is local, and secrets stay out; what is new but not ignored comes along.
  mkdirSync(path.join(app, 'node_modules', 'junk'), { recursive: true });
  for (const name of ['.env', '.env.local', 'ignored.txt', '.env.example', 'new.txt']) {
    writeFileSync(path.join(app, name), name);
  }
  const changed = await artifacts.build({ source: { kind: 'directory', dir: app }, rules: async () => rules });
  expect(changed).toMatchObject({ cached: true, reused: false });
  const added = readdirSync(changed.location).filter((name) => !existsSync(path.join(first.location, name)));
  expect(added.toSorted()).toEqual(['.env.example', 'new.txt']);
  // The working tree has moved on; the commit is still the old artifact.
  const again = await artifacts.build({
    source: { kind: 'commit', dir: app, commit: first.ref },
    rules: async () => rules,
  });
  expect(again).toMatchObject({ digest: first.digest, reused: true });
  expect(readdirSync(path.join(store, 'work'))).toEqual([]);

  expect((await artifacts.list()).map((stored) => stored.digest).toSorted()).toEqual(
    [first.digest, changed.digest].toSorted(),
  );
  await expect(artifacts.remove(first.digest, [first.digest])).rejects.toMatchObject({ code: 'artifact.in_use' });
  await artifacts.remove(first.digest, []);
  await artifacts.remove(first.digest, []);
  await expect(artifacts.verify(first.digest)).rejects.toMatchObject({ code: 'artifact.missing' });
  // The removed one shared its dependencies' bytes with the other.
  expect(await artifacts.verify(changed.digest)).toBe(changed.location);
});

test('a build command sees the development dependencies and no secret; only production ones stay', async ({
  expect,
  onTestFinished,
}) => {
  const { app, artifacts } = setup(onTestFinished);
  const script =
    "require('fs').writeFileSync('out.txt', [require('tool'), process.env.DATABASE_URL ?? 'clean', require('os').getPriority()].join(' '))";
  mkdirSync(path.join(app, 'docs', 'deep'), { recursive: true });
  writeFileSync(path.join(app, 'docs', 'deep', 'a.md'), '');
  writeFileSync(path.join(app, 'app.test.js'), '');
  const wanted = { ...rules, command: `node -e "${script}"`, exclude: ['docs', '**/*.test.js', './*.tgz'] };
  const lines: string[] = [];
  const request = {
    source: { kind: 'directory', dir: app } as const,
    rules: async () => wanted,
    onProgress: (line: string) => lines.push(line),
  };
  const first = await artifacts.build(request);
  expect(readFileSync(path.join(first.location, 'out.txt'), 'utf8')).toBe('tool clean 10');
  expect(readdirSync(path.join(first.location, 'node_modules')).toSorted()).toEqual(['.package-lock.json', 'dep']);
  expect(readdirSync(first.location).filter((name) => /docs|test|tgz/.test(name))).toEqual([]);
  expect(lines).toContain('dependencies installed');
  expect(await artifacts.build(request)).toMatchObject({ digest: first.digest, reused: true, cached: true });
});

test('one changed byte, one added file or one lost x-bit is noticed, and the next build repairs it', async ({
  expect,
  onTestFinished,
}) => {
  const { app, artifacts } = setup(onTestFinished);
  writeFileSync(path.join(app, 'start.sh'), '#!/bin/sh\n', { mode: 0o755 });
  const source = { kind: 'directory', dir: app } as const;
  const { digest, location } = await artifacts.build({ source, rules: async () => rules });
  const spoilers = [
    () => {
      chmodSync(path.join(location, 'main.js'), 0o644);
      appendFileSync(path.join(location, 'main.js'), ' ');
    },
    () => {
      chmodSync(location, 0o755);
      writeFileSync(path.join(location, 'added.js'), '');
    },
    () => chmodSync(path.join(location, 'start.sh'), 0o444),
  ];
  for (const spoil of spoilers) {
    spoil();
    await expect(artifacts.verify(digest)).rejects.toMatchObject({ code: 'artifact.corrupt' });
    expect(await artifacts.build({ source, rules: async () => rules })).toMatchObject({ digest, reused: false });
    expect(await artifacts.verify(digest)).toBe(location);
  }
});

test('a failing, a hanging and an aborted build say so, leave nothing and publish nothing', async ({
  expect,
  onTestFinished,
}) => {
  const { app, artifacts, store } = setup(onTestFinished);
  const source = { kind: 'directory', dir: app } as const;
  const failing = "for i in $(seq 60); do echo line $i; done; echo 'src/a.ts: wrong' >&2; exit 3";
  await expect(artifacts.build({ source, rules: async () => ({ ...rules, command: failing }) })).rejects.toMatchObject({
    code: 'artifact.build_failed',
    message: expect.stringMatching(/ended with 3\)[^]*line 60[^]*src\/a\.ts: wrong|src\/a\.ts: wrong[^]*line 60/),
    details: { code: 3, output: expect.not.stringMatching(/line 5\n/) },
  });
  await expect(
    artifacts.build({ source, rules: async () => ({ ...rules, timeout: 3000, command: 'sleep 60' }) }),
  ).rejects.toMatchObject({ code: 'artifact.build_timeout', message: expect.stringContaining('sleep 60') });
  await expect(
    artifacts.build({
      source,
      rules: async () => ({ ...rules, command: 'echo "ENOSPC: no space left on device"; exit 1' }),
    }),
  ).rejects.toMatchObject({ code: 'artifact.disk_full' });
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('stopped')), 300);
  await expect(
    artifacts.build({ source, rules: async () => ({ ...rules, command: 'sleep 60' }), signal: stop.signal }),
  ).rejects.toThrow('stopped');
  expect(readdirSync(path.join(store, 'work'))).toEqual([]);
  expect(await artifacts.list()).toEqual([]);
});

test('what a killed build has left is swept by the next one', async ({ expect, onTestFinished }) => {
  const { app, artifacts, store } = setup(onTestFinished);
  const left = path.join(store, 'work', '4194303-dead');
  mkdirSync(path.join(left, 'app'), { recursive: true });
  writeFileSync(path.join(left, 'owner.json'), JSON.stringify({ pid: 4_194_303, started: '1' }));
  const alive = path.join(store, 'work', `${process.pid}-alive`);
  mkdirSync(alive);
  await artifacts.build({ source: { kind: 'directory', dir: app }, rules: async () => rules });
  expect(readdirSync(path.join(store, 'work'))).toEqual([path.basename(alive)]);
});

test('sources that cannot be a release are refused with the way out', async ({ expect, onTestFinished }) => {
  const { app, repo, artifacts } = setup(onTestFinished);
  const directory = { source: { kind: 'directory', dir: app } as const, rules: async () => rules };
  const commit = (name: string, dir = app) =>
    artifacts.build({ source: { kind: 'commit', dir, commit: name }, rules: async () => rules });
  await expect(commit('nonsense')).rejects.toMatchObject({ code: 'artifact.unknown_commit' });
  await expect(commit('--output=/etc/x')).rejects.toMatchObject({ code: 'artifact.unknown_commit' });
  mkdirSync(path.join(repo, 'untracked'));
  await expect(commit('HEAD', path.join(repo, 'untracked'))).rejects.toMatchObject({ code: 'artifact.unknown_commit' });
  await expect(commit('HEAD', path.join(repo, 'none'))).rejects.toMatchObject({ code: 'artifact.no_source' });

  symlinkSync('/etc/hostname', path.join(app, 'outside'));
  await expect(artifacts.build(directory)).rejects.toMatchObject({ code: 'artifact.link_outside' });
  rmSync(path.join(app, 'outside'));

  const lock: { packages: Record<string, unknown> } = JSON.parse(
    readFileSync(path.join(app, 'package-lock.json'), 'utf8'),
  );
  rmSync(path.join(app, 'package-lock.json'));
  await expect(artifacts.build(directory)).rejects.toMatchObject({ code: 'artifact.no_lockfile' });
  writeFileSync(path.join(app, 'yarn.lock'), '');
  await expect(artifacts.build(directory)).rejects.toMatchObject({ code: 'artifact.lockfile_unsupported' });
  lock.packages = { '': { name: 'app', version: '1.0.0', dependencies: { other: '1.0.0' } } };
  writeFileSync(path.join(app, 'package-lock.json'), JSON.stringify(lock));
  await expect(artifacts.build(directory)).rejects.toMatchObject({
    code: 'artifact.build_failed',
    hint: expect.stringContaining('npm install'),
  });
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ dependencies: { sdk: 'file:../../sdk' } }));
  await expect(artifacts.build(directory)).rejects.toMatchObject({ code: 'artifact.link_outside' });
  writeFileSync(path.join(app, 'package.json'), '{}');
  expect((await artifacts.build(directory)).reused).toBe(false);
});
