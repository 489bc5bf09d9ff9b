import path from 'node:path';
import { TowpathError, sha256 } from '../kernel/index.ts';
import { listNames, readText } from '../system/index.ts';
import { codeOf } from './statements.ts';
import type { Migration } from './model.ts';

/**
 * The *.sql files of a folder in the order of their names.
 * @throws TowpathError `migration.no_folder`, `migration.own_transaction`
 */
export async function readMigrations(dir: string): Promise<readonly Migration[]> {
  const names = await listNames(dir);
  if (names === undefined) {
    throw new TowpathError('migration.no_folder', `there is no folder ${dir} with migrations`, {
      remedy: 'fix-input',
      hint: 'correct migrations.dir in towpath.config.ts, or leave `migrations` out when the app has none',
    });
  }
  // By code unit, not by locale: the same order on every machine.
  const wanted = names.filter((name) => name.endsWith('.sql')).toSorted();
  return await Promise.all(wanted.map(async (name) => parse(name, (await readText(path.join(dir, name))) ?? '')));
}

function parse(name: string, text: string): Migration {
  const sql = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const head = /^(?:\s*--[^\n]*\n|\s*\n)*/.exec(`${sql}\n`)?.[0] ?? '';
  const transactional = !/^\s*--\s*towpath:\s*no-transaction\s*$/m.test(head);
  const own = transactional ? OWN_TRANSACTION.exec(codeOf(sql)) : null;
  if (own !== null) {
    throw new TowpathError('migration.own_transaction', `${name} says ${String(own[1]).toUpperCase()} itself`, {
      remedy: 'fix-input',
      hint: 'take its BEGIN and COMMIT out: each file runs in one transaction together with its row in the history',
    });
  }
  return { name, sha256: sha256(sql), sql, transactional };
}

// What gets past this is still noticed by the transaction's id after the file has run.
const OWN_TRANSACTION =
  /(?:^|;)\s*(begin|start\s+transaction|commit|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b/i;
