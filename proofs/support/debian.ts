import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Two processes that install at once must not fail on each other's lock. */
const APT = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
const TEN_MINUTES = 10 * 60_000;

/**
 * Makes sure that Debian packages are installed; installs those that are missing when it may.
 * @throws Error naming what is missing and the command that installs it
 */
export async function ensureDebianPackages(names: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of names) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return;
  const command = `apt-get install -y ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    throw new Error(`the Debian packages ${missing.join(', ')} are needed; as root: apt-get update && ${command}`);
  }
  process.stderr.write(`installing Debian packages: ${missing.join(' ')} ...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = async (...argv: readonly string[]): Promise<void> => {
    await execute('apt-get', [...argv], { env, timeout: TEN_MINUTES, maxBuffer: 64 * 1024 * 1024 });
  };
  try {
    await apt('update', '-q', '-o', 'DPkg::Lock::Timeout=300');
    await apt('install', ...APT, ...missing);
  } catch (error) {
    throw new Error(`cannot install ${missing.join(', ')}; try it by hand: apt-get update && ${command}`, {
      cause: error,
    });
  }
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await execute('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { timeout: 10_000 });
    return stdout.trim() === 'installed';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      process.stderr.write(`no dpkg here: what the Debian package ${name} brings must already be installed\n`);
      return true;
    }
    // Exit code 1 is "never heard of it".
    return false;
  }
}
