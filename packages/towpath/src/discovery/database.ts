import type { Notes, Reasoned } from './findings.ts';
import { at, text, type Sources } from './sources.ts';

export interface ProposedDatabase {
  readonly major: Reasoned<number> | undefined;
  readonly migrations: Reasoned<string> | undefined;
  /** Why migrations that are there are left out. */
  readonly leftOut: string | undefined;
}

/** Postgres, PostGIS, pgvector, TimescaleDB and Supabase images all state the major in their tag. */
const IMAGE =
  /(?:^|\/)(?:postgres|postgis|pgvector|timescaledb(?:-ha)?|postgres-flex|postgresql):(?:[\w.-]*?pg)?(\d{2})/m;

function majorOf(sources: Sources, notes: Notes): Reasoned<number> | undefined {
  const found = (major: number, where: string): Reasoned<number> | undefined => {
    if (major < 13 || major > 18) {
      notes.unknown.push({
        what: `Postgres ${major} (${where})`,
        assumed: 'Towpath knows 13 to 18; 15 is used',
        blocking: false,
      });
      return undefined;
    }
    notes.found.push({ where, what: `Postgres ${major}`, usedFor: 'major of the embedded Postgres' });
    return { value: major, because: where };
  };
  const supabase = at(sources.supabase, 'db', 'major_version');
  if (typeof supabase === 'number') return found(supabase, 'supabase/config.toml');
  const images = (sources.compose?.[1] ?? '')
    .split('\n')
    .flatMap((line) => /^\s*image:\s*["']?([^\s"'#]+)/.exec(line)?.[1] ?? []);
  const compose = images.map((image) => IMAGE.exec(image)?.[1]).find((major) => major !== undefined);
  if (compose !== undefined) return found(Number(compose), sources.compose?.[0] ?? 'compose file');
  const fly = IMAGE.exec(text(at(sources.fly, 'build', 'image')) ?? '')?.[1];
  return fly === undefined ? undefined : found(Number(fly), 'fly.toml build.image');
}

type Folder = Sources['migrationFolders'][number];

/** Why this version cannot run a folder; undefined when it can: plain *.sql files in the order of their names. */
function refusal(folder: Folder, prisma: string | undefined): string | undefined {
  const sql = folder.names.filter((name) => name.endsWith('.sql'));
  if (folder.dir === 'prisma/migrations') {
    const provider = /datasource\s+\w+\s*\{[^}]*provider\s*=\s*"(\w+)"/.exec(prisma ?? '')?.[1];
    if (provider !== undefined && !provider.startsWith('postgres')) {
      return `Prisma is set to ${provider}; Towpath runs Postgres, so change the provider in prisma/schema.prisma first`;
    }
    return "Prisma's folders (prisma/migrations/*/migration.sql) are not run by this version; run `prisma migrate deploy` yourself before a deploy";
  }
  if (sql.length === 0) {
    return folder.names.some((name) => name.endsWith('/'))
      ? `${folder.dir} holds a folder for each migration, which this version does not run`
      : `${folder.dir} holds no *.sql files, and this version runs nothing else`;
  }
  if (sql.some((name) => /[._-]down\.sql$/i.test(name)))
    return `${folder.dir} holds down migrations beside the up ones, and every *.sql would be run`;
  return undefined;
}

function remarkOn(folder: Folder, notes: Notes): void {
  if (
    folder.dir.startsWith('supabase') &&
    /\bauth\.(users|uid)\b|\bto\s+(authenticated|anon|service_role)\b|\bstorage\./i.test(folder.sql)
  ) {
    notes.unknown.push({
      what: 'migrations that use what only Supabase has (auth, storage, its roles)',
      assumed: 'the embedded Postgres lacks these; point environments.local.database.url at a local Supabase',
      blocking: true,
    });
  }
  if (/statement-breakpoint/.test(folder.sql)) {
    notes.unknown.push({
      what: 'whether the app runs its Drizzle migrations at start',
      assumed: "Towpath runs them and does not write to Drizzle's own journal: take migrate() out of the start",
      blocking: false,
    });
  }
}

/** What can be told about the app's database. */
export function proposeDatabase(sources: Sources, notes: Notes): ProposedDatabase {
  const major = majorOf(sources, notes);
  let leftOut: string | undefined;
  for (const folder of sources.migrationFolders) {
    const refused = refusal(folder, sources.prismaSchema);
    if (refused === undefined) {
      const files = folder.names.filter((name) => name.endsWith('.sql')).length;
      notes.found.push({
        where: `${folder.dir}/`,
        what: `${files} SQL ${files === 1 ? 'file' : 'files'}`,
        usedFor: 'migrations, once per deploy',
      });
      remarkOn(folder, notes);
      return {
        major,
        migrations: { value: folder.dir, because: `${files} *.sql in ${folder.dir}/` },
        leftOut: undefined,
      };
    }
    notes.found.push({ where: `${folder.dir}/`, what: 'migrations', usedFor: 'nothing yet, see below' });
    leftOut ??= refused;
  }
  if (leftOut !== undefined)
    notes.unknown.push({ what: 'how to run the migrations', assumed: leftOut, blocking: true });
  return { major, migrations: undefined, leftOut };
}
