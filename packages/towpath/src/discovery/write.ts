import path from 'node:path';
import { CONFIG_FILE } from '../config/index.ts';
import { TowpathError } from '../kernel/index.ts';
import { kindOf, readText, writeAtomic } from '../system/index.ts';
import type { Discovery } from './discover.ts';

/**
 * Writes the config, and keeps `.towpath/` out of git.
 * @returns the names of the files written
 * @throws TowpathError `discovery.exists` when there is a config and force is off
 */
export async function writeConfig(
  dir: string,
  discovery: Discovery,
  options: { readonly force: boolean },
): Promise<readonly string[]> {
  const file = path.join(dir, CONFIG_FILE);
  if (!options.force && (await kindOf(file)) !== undefined) {
    throw new TowpathError('discovery.exists', `${CONFIG_FILE} is there already`, {
      remedy: 'fix-input',
      hint: 'replace it with --force, or compare with `towpath init --dry-run`',
    });
  }
  await writeAtomic(file, discovery.config, 0o644);
  const ignore = path.join(dir, '.gitignore');
  const ignored = (await readText(ignore)) ?? '';
  if (/^\/?\.towpath\/?\s*$/m.test(ignored)) return [CONFIG_FILE];
  const gap = ignored === '' || ignored.endsWith('\n') ? '' : '\n';
  await writeAtomic(ignore, `${ignored}${gap}.towpath/\n`, 0o644);
  return [CONFIG_FILE, '.gitignore'];
}
