/**
 * Every root script goes through here, so that a fresh clone needs only git, npm and any Node >= 20:
 * installs what package-lock.json says when node_modules is something else, builds the sdk when its
 * sources changed, and runs the target with the Node that the lockfile pins. No dependencies, no
 * syntax newer than Node 20.
 *
 *   node tools/bootstrap.mjs <task> [arguments...]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { holdingLock } from './install-lock.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');
const stamp = path.join(modules, '.towpath-lock');
const sdk = path.join(root, 'packages', 'sdk');
const sdkStamp = path.join(sdk, 'dist', '.sources');
/** The Node that the lockfile pins. */
const node24 = path.join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');

/** What `npm run <task>` runs, all with Node 24. `.bin` names are files of node_modules. */
const TASKS = {
  rehearse: ['proofs/rehearse.ts'],
  test: ['tools/test.ts'],
  'test:unit': ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit'],
  'test:it': ['node_modules/vitest/vitest.mjs', 'run', '--project', 'it'],
  prove: ['proofs/prove.ts'],
  check: ['tools/check.ts'],
  gen: ['tools/generate.ts'],
  fix: ['tools/fix.ts'],
};

const say = (line) => process.stderr.write(`${line}\n`);

/** The pinned Node and the tools first, then what was there. */
function environment() {
  return { ...process.env, PATH: [path.join(modules, '.bin'), process.env['PATH']].join(path.delimiter) };
}

function lockHash() {
  const hash = createHash('sha256').update(readFileSync(path.join(root, 'package-lock.json')));
  return hash.update(`${process.platform} ${process.arch}`).digest('hex');
}

const read = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

/** Whether npm's own record of node_modules holds exactly what package-lock.json asks for. */
function installedByHand() {
  const record = read(path.join(modules, '.package-lock.json'));
  if (record === undefined || !existsSync(node24)) return false;
  const there = JSON.parse(record).packages;
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  const same = (one, other) => one.version === other.version && one.integrity === other.integrity;
  return (
    Object.entries(there).every(([name, entry]) => wanted[name] !== undefined && same(entry, wanted[name])) &&
    // Names outside node_modules are our own workspaces; optional ones may be for another platform.
    Object.entries(wanted).every(
      ([name, entry]) => !name.startsWith('node_modules/') || entry.optional || there[name] !== undefined,
    )
  );
}

function installed() {
  if (read(stamp) === lockHash() && existsSync(node24)) return true;
  if (!installedByHand()) return false;
  writeFileSync(stamp, lockHash());
  return true;
}

/** Runs a command quietly; resolves with its exit code and everything it said. */
function quietly(argv, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    }
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      if (signal !== null) process.exitCode = 130;
      resolve({ code: code ?? 1, output });
    });
  });
}

async function must(what, argv, options) {
  const { code, output } = await quietly(argv, options);
  if (code === 0) return;
  say(output);
  throw new Error(`${what} failed (exit ${code}); its output is above. Command: ${argv.join(' ')}`);
}

async function install() {
  const started = performance.now();
  say('towpath: installing what package-lock.json names ...');
  // npm puts itself into the environment of its scripts; called directly, it is on the PATH.
  const npm = process.env['npm_execpath'];
  const [file, ...first] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  await must('npm ci', [file, ...first, 'ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional']);
  if (!existsSync(node24)) {
    throw new Error(
      `npm ci ended well, but ${path.relative(root, node24)} is missing. If install scripts are switched off, allow the one of the package "node": npm rebuild node`,
    );
  }
  writeFileSync(stamp, lockHash());
  say(`towpath: installed in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Hash of everything the sdk is built from. */
function sdkSources() {
  const hash = createHash('sha256');
  const add = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) add(file);
      else if (!entry.name.endsWith('.test.ts')) hash.update(path.relative(sdk, file)).update(readFileSync(file));
    }
  };
  if (existsSync(path.join(sdk, 'src'))) add(path.join(sdk, 'src'));
  for (const file of ['package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    hash.update(read(path.join(sdk, file)) ?? '');
  }
  return hash.update(read(path.join(root, 'tsconfig.base.json')) ?? '').digest('hex');
}

const sdkProject = () =>
  ['tsconfig.build.json', 'tsconfig.json'].map((name) => path.join(sdk, name)).find((file) => existsSync(file));
const sdkBuilt = () => sdkProject() === undefined || read(sdkStamp) === sdkSources();

async function buildSdk() {
  const hash = sdkSources();
  await must('building packages/sdk', [node24, path.join(modules, 'typescript', 'bin', 'tsc'), '-p', sdkProject()], {
    env: environment(),
  });
  writeFileSync(sdkStamp, hash);
}

async function prepare() {
  if (installed() && sdkBuilt()) return;
  await holdingLock(path.join(root, '.install-lock'), say, async () => {
    // Another bootstrap may have done it while we waited.
    if (!installed()) await install();
    if (!sdkBuilt()) await buildSdk();
  });
}

/** Runs the target in our place: same terminal, same signals, same exit code. */
function hand(argv) {
  const child = spawn(node24, argv, { cwd: root, stdio: 'inherit', env: environment() });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  // A terminal sends Ctrl-C to the whole group: the child has it already, and twice means "at once".
  const already = (signal) => signal === 'SIGINT' && process.stdin.isTTY;
  for (const signal of signals) process.on(signal, () => already(signal) || child.kill(signal));
  child.on('error', (error) => {
    say(`towpath: cannot start ${node24}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('close', (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1;
    else {
      for (const each of signals) process.removeAllListeners(each);
      process.kill(process.pid, signal);
    }
  });
}

const [task, ...rest] = process.argv.slice(2);
const target = TASKS[task];
if (target === undefined) {
  say(`towpath: there is no task "${task ?? ''}"; there are ${Object.keys(TASKS).join(', ')}`);
  process.exitCode = 2;
} else {
  try {
    await prepare();
    hand([...target, ...rest]);
  } catch (error) {
    say(`towpath: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode ||= 1;
  }
}
