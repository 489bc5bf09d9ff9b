import { TowpathError } from '../kernel/index.ts';
import { hasCode } from '../system/index.ts';
import type { ArtifactNeeds } from './model.ts';

/** What a build may know of the caller's environment; secrets have other names. */
const PASSED =
  /^(PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|SHELL|XDG_CACHE_HOME|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|(https?|no)_proxy|npm_config_(registry|cache|userconfig|globalconfig|cafile|nodedir))$/i;

const LINES = 40;
/** Below the instances: what serves goes before what is only being built. */
const GIVE_WAY = ['nice', '-n', '10'] as const;

export interface Tools {
  /** Runs to a successful end. @throws TowpathError `artifact.build_failed` and its kin */
  must(what: string, argv: readonly [string, ...string[]], cwd: string): Promise<void>;
  /** Runs and tells how it went. */
  ask(argv: readonly [string, ...string[]], cwd: string): Promise<{ readonly code: number; readonly stdout: string }>;
}

/** Commands of one build: they share its deadline and its bare environment. */
export function createTools(
  needs: Pick<ArtifactNeeds, 'run' | 'environment' | 'elapsed'>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Tools {
  const env = {
    ...Object.fromEntries(Object.entries(needs.environment).filter(([name]) => PASSED.test(name))),
    CI: 'true',
  };
  const deadline = needs.elapsed() + timeoutMs;
  const execute = async (argv: readonly [string, ...string[]], cwd: string) => {
    const left = deadline - needs.elapsed();
    if (left <= 0) throw timedOut(timeoutMs, argv.join(' '));
    let output = '';
    const onOutput = (chunk: string): void => {
      output = (output + chunk).slice(-100_000);
    };
    try {
      const done = await needs.run({ argv, cwd, env, timeoutMs: left, onOutput }, signal);
      return { ...done, output };
    } catch (error) {
      if (error instanceof TowpathError && error.code === 'exec.deadline') {
        throw timedOut(timeoutMs, argv.join(' '), output);
      }
      throw error;
    }
  };
  return {
    async must(what, argv, cwd) {
      const done = await execute([...GIVE_WAY, ...argv], cwd);
      if (done.code !== 0) throw buildFailed(what, argv, done.code, done.output);
    },
    ask: execute,
  };
}

const lastLines = (output: string): string => output.trimEnd().split('\n').slice(-LINES).join('\n');

function buildFailed(what: string, argv: readonly string[], code: number, output: string): TowpathError {
  if (/ENOSPC|No space left on device/i.test(output)) return diskFull();
  const outOfStep = /npm ci` can only install|can only install packages when your package.json and package-lock.json/i;
  return new TowpathError(
    'artifact.build_failed',
    `${what} failed (${argv.join(' ')} ended with ${code}):\n${lastLines(output)}`,
    {
      remedy: 'fix-input',
      hint: outOfStep.test(output)
        ? 'the lockfile does not fit package.json: run `npm install`, commit package-lock.json, deploy again'
        : /\b(ETIMEDOUT|ENOTFOUND|ECONNREFUSED|EAI_AGAIN)\b/.test(output)
          ? 'the package registry did not answer: check the network, then deploy again'
          : 'correct what its output names, then deploy again; nothing was released',
      details: { output: lastLines(output), code },
    },
  );
}

function timedOut(timeoutMs: number, what: string, output = ''): TowpathError {
  return new TowpathError('artifact.build_timeout', `the build took longer than ${timeoutMs} ms, in: ${what}`, {
    remedy: 'fix-input',
    hint: 'see what it waits for; raise build.timeout in towpath.config.ts if the work is really that long',
    details: { output: lastLines(output) },
  });
}

function diskFull(cause?: unknown): TowpathError {
  return new TowpathError('artifact.disk_full', 'the disk is full: the artifact could not be written', {
    remedy: 'fix-input',
    hint: 'free space on the volume of .towpath (df -h .), then deploy again; nothing was released',
    cause,
  });
}

/** Names a full disk, wherever it was met; other errors pass through. */
export function explainDisk(error: unknown): unknown {
  return hasCode(error, 'ENOSPC', 'EDQUOT') ? diskFull(error) : error;
}
