import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { TOY_WEB } from '../project.ts';
import { postgresOf, refusal, takePort, wrongDeploy, wrongTold, writeNext, type Bench, type Case } from './bench.ts';

const web = (more: object, toy: object) => ({ web: { ...TOY_WEB, ...more, env: { TOY: JSON.stringify(toy) } } });

async function editConfig(bench: Bench, edit: (text: string) => string): Promise<void> {
  const file = path.join(bench.source, 'towpath.config.ts');
  const before = await readFile(file, 'utf8');
  const after = edit(before);
  if (after === before) throw new Error('the config was not changed');
  await writeFile(file, after);
}

/** A deploy is refused with this error, and `config check` in the folder says the same before. */
async function wrongConfig(bench: Bench, code: string, problems: readonly RegExp[]): Promise<readonly string[]> {
  const check = await bench.project.cli(['config', 'check', '--cwd', bench.source, '--json']);
  const people = await bench.project.cli(['config', 'check', '--cwd', bench.source]);
  return [
    ...wrongTold(check.code, refusal(check), { code, exit: 2 }),
    ...problems
      .filter((line) => !line.test(people.stderr))
      .map((line) => `config check lacks ${line}: ${people.stderr}`),
    ...(await wrongDeploy(bench, { code })),
  ];
}

/** Releases that cannot be made, do not start, or cannot migrate. */
export const RELEASE_CASES: readonly Case[] = [
  {
    name: 'config that is no TypeScript',
    async run(bench) {
      await writeNext(bench);
      await editConfig(bench, (text) => text.replace('export default', 'export defualt'));
      return await wrongConfig(bench, 'config.syntax', [/towpath\.config\.ts:3:/]);
    },
  },
  {
    name: 'config with several problems',
    async run(bench) {
      await writeNext(bench);
      await editConfig(bench, (text) =>
        text
          .replace('"readiness"', '"readyness"')
          .replace('"stopTimeout": "3s"', '"stopTimeout": "soon"')
          .replace('"*/20 * * * * *"', '"every now and then"'),
      );
      return await wrongConfig(bench, 'config.invalid', [
        /towpath\.config\.ts:\d+:\d+ +processes\.web\.readyness: .*did you mean readiness\?/,
        /towpath\.config\.ts:\d+:\d+ +processes\.web\.stopTimeout: /,
        /towpath\.config\.ts:\d+:\d+ +processes\.tick\.schedule: .*cron expression/,
      ]);
    },
  },
  {
    name: 'build command that fails',
    async run(bench) {
      await writeNext(bench, { config: { build: { command: 'echo "no such module: ./missing" >&2; exit 3' } } });
      return await wrongDeploy(bench, { code: 'artifact.build_failed', message: /ended with 3[^]*no such module/ });
    },
  },
  {
    name: 'dependencies without a lockfile',
    async run(bench) {
      const manifest = { name: 'toy', version: '1.0.0', type: 'module', dependencies: { ms: '2.1.3' } };
      await writeNext(bench, { files: { 'package.json': JSON.stringify(manifest) } });
      return await wrongDeploy(bench, { code: 'artifact.no_lockfile', hint: /npm install --package-lock-only/ });
    },
  },
  {
    name: 'fixed port of the web group is taken',
    async run(bench) {
      const { port, close } = await takePort();
      try {
        await writeNext(bench, { processes: web({ port }, {}) });
        return await wrongDeploy(bench, {
          code: 'provider.port_taken',
          message: new RegExp(`port ${port} .*taken by process ${process.pid} \\(`),
          hint: /fixed port of web/,
        });
      } finally {
        await close();
      }
    },
  },
  {
    name: 'instance that crashes at once',
    async run(bench) {
      await writeNext(bench, { behaviour: { version: '', crashAtOnce: true } });
      return await wrongDeploy(bench, { code: 'rollout.instance_crashed', hint: /towpath logs --release \d+/ });
    },
  },
  {
    name: 'instance that is never ready',
    async run(bench) {
      const readiness = { timeout: '2s', interval: '50ms' };
      await writeNext(bench, { processes: web({ readiness }, { neverReady: true }) });
      return await wrongDeploy(bench, {
        code: 'rollout.not_ready',
        hint: /towpath logs --release \d+.*readiness\.path/,
      });
    },
  },
  {
    name: 'migration with an error in its SQL',
    async run(bench) {
      const sql = 'alter table item add column colour text;\nalter table itme add column size int;\n';
      await writeNext(bench, { files: { 'migrations/0002_colour.sql': sql } });
      return await wrongDeploy(bench, { code: 'migration.failed', message: /0002_colour\.sql:2: .*itme/ });
    },
  },
  {
    name: 'migration that hangs on a lock',
    async run(bench) {
      const holder = new pg.Client({
        connectionString: (await postgresOf(bench.project)).url('toy_local'),
        application_name: 'nightly export',
      });
      holder.on('error', () => {});
      await holder.connect();
      try {
        await holder.query('begin');
        await holder.query('lock table item in access exclusive mode');
        const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
        const pid = rows[0]?.pid;
        await writeNext(bench, {
          files: { 'migrations/0002_colour.sql': 'alter table item add column colour text;\n' },
          migrations: { budget: '2s', lockTimeout: '300ms' },
        });
        return await wrongDeploy(bench, {
          code: 'migration.lock_timeout',
          message: new RegExp(`pid ${pid} \\(nightly export\\), idle in transaction`),
          hint: new RegExp(`pg_terminate_backend\\(${pid}\\)`),
        });
      } finally {
        await holder.end();
      }
    },
  },
  {
    name: 'wrong password of the app database',
    async run(bench) {
      const url = new URL((await postgresOf(bench.project)).url('toy_local'));
      url.password = 'not-the-password';
      return await wrongAppDatabase(bench, url.toString(), 'database.wrong_password');
    },
  },
  {
    name: 'app database that nobody answers for',
    fullOnly: true,
    run: (bench) => wrongAppDatabase(bench, 'postgresql://postgres@127.0.0.1:1/toy_local', 'database.unreachable'),
  },
];

async function wrongAppDatabase(bench: Bench, url: string, code: string): Promise<readonly string[]> {
  await writeFile(path.join(bench.project.dir, '.env.bad'), `APP_DATABASE_URL=${url}\n`, { mode: 0o600 });
  await writeNext(bench, {
    config: { environments: { local: { envFile: '.env.bad', database: { url: 'APP_DATABASE_URL' } } } },
  });
  const wrong = await wrongDeploy(bench, { code });
  const said = JSON.stringify(await bench.project.ledger());
  return said.includes('not-the-password') ? [...wrong, 'the password stands in the ledger'] : wrong;
}
