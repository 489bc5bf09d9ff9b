#!/usr/bin/env node
// Plain JavaScript that an old Node can run too: it answers --help and --version by itself, finds a
// Node that is new enough, and only then loads the rest.
import { readFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const argv = process.argv.slice(2);
const only = argv.length === 1 ? argv[0] : undefined;

const print = (text) => {
  process.stdout.write(text);
};
const version = () => JSON.parse(readFileSync(new URL('../package.json', here), 'utf8')).version;

/** The npm package `node`, in the node_modules folders from here and from the working folder upwards. */
async function newerNode(major) {
  const { existsSync, realpathSync } = await import('node:fs');
  const { dirname, join } = await import('node:path');
  const { fileURLToPath } = await import('node:url');
  const { spawnSync } = await import('node:child_process');
  for (const start of [fileURLToPath(here), process.cwd()]) {
    for (let dir = start; ; dir = dirname(dir)) {
      const candidate = join(dir, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      if (existsSync(candidate) && realpathSync(candidate) !== realpathSync(process.execPath)) {
        const asked = spawnSync(candidate, ['-p', 'process.versions.node'], { encoding: 'utf8', timeout: 10000 });
        if (asked.status === 0 && parseInt(asked.stdout, 10) >= major) return candidate;
      }
      if (dirname(dir) === dir) break;
    }
  }
  return undefined;
}

/** Runs this very command line under another Node; signals reach it through the terminal's group. */
async function handOver(node) {
  const { spawn } = await import('node:child_process');
  const { fileURLToPath } = await import('node:url');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...argv], {
    stdio: 'inherit',
    env: { ...process.env, TOWPATH_HANDED_OVER: '1' },
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {});
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + (signal === 'SIGINT' ? 2 : 15) : code;
  });
}

/**
 * Keeps stripped and compiled code between runs: half the start-up time. In the user's own cache, since
 * what lies there is run; Node goes without it when it cannot be written.
 */
async function keepCompiled() {
  const home = process.env['XDG_CACHE_HOME'] || (process.env['HOME'] && `${process.env['HOME']}/.cache`);
  if (process.env['NODE_COMPILE_CACHE'] || !home) return;
  const { enableCompileCache } = await import('node:module');
  enableCompileCache(`${home}/towpath/compiled`);
}

// `towpath logs | head`: who reads has had enough.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const REQUIRED = 24;
if (only === '--version') {
  print(`${version()}\n`);
} else if (only === '--help' || only === '-h') {
  // Generated from the command data; without colours it is the same as `towpath help`.
  print(readFileSync(new URL('help.txt', here), 'utf8').replace('{version}', version()));
} else if (parseInt(process.versions.node, 10) >= REQUIRED) {
  await keepCompiled();
  const { main } = await import('../src/main/cli.ts');
  process.exitCode = await main(argv);
} else {
  const node = process.env['TOWPATH_HANDED_OVER'] === '1' ? undefined : await newerNode(REQUIRED);
  if (node === undefined) {
    const error = {
      code: 'cli.old_node',
      message: `towpath needs Node ${REQUIRED} or newer; this is ${process.versions.node}`,
      hint: `install Node ${REQUIRED} from nodejs.org, or add it to the project: npm install --save-dev node@${REQUIRED}`,
      remedy: 'fix-input',
      id: '',
    };
    if (argv.includes('--json')) print(`${JSON.stringify({ error })}\n`);
    else process.stderr.write(`✗ ${error.message}\n  ${error.code}\n  → ${error.hint}\n`);
    process.exitCode = 2;
  } else {
    await handOver(node);
  }
}
