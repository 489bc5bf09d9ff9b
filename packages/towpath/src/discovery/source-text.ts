import type { ProposedDatabase } from './database.ts';
import type { Reasoned } from './findings.ts';
import type { ProposedGroup } from './processes.ts';

/** Everything the config is written from. */
export interface Proposal {
  readonly app: Reasoned<string>;
  readonly build: Reasoned<string> | undefined;
  readonly groups: readonly ProposedGroup[];
  readonly database: ProposedDatabase;
  readonly hasSdk: boolean;
  readonly nodeEnv: boolean;
  readonly envFile: Reasoned<boolean>;
  /** fly.toml names an app there. */
  readonly flyApp: string | undefined;
}

/** A TypeScript string literal. */
const quote = (text: string): string =>
  text.includes("'") || text.includes('\\') || text.includes('\n') ? JSON.stringify(text) : `'${text}'`;
/** A text that cannot end the comment it stands in. */
const remark = (text: string): string => (text === '' ? '' : ` // ${text.replaceAll(/\s+/g, ' ')}`);

function groupLines(group: ProposedGroup, hasSdk: boolean): readonly string[] {
  const { name, kind, command, memory, stopTimeout, instances, readiness } = group;
  return [
    `    ${/^[a-z]\w*$/.test(name) ? name : quote(name)}: {`,
    `      kind: '${kind}',`,
    `      command: ${quote(command.value)},${remark(command.because)}`,
    ...(readiness === undefined
      ? []
      : [`      readiness: { path: ${quote(readiness.value)} },${remark(readiness.because)}`]),
    ...(instances === undefined ? [] : [`      instances: ${instances.value},${remark(instances.because)}`]),
    ...(memory === undefined ? [] : [`      memory: '${memory.value}',${remark(memory.because)}`]),
    ...(stopTimeout === undefined ? [] : [`      stopTimeout: '${stopTimeout.value}',${remark(stopTimeout.because)}`]),
    ...(kind === 'worker' && !hasSdk
      ? [
          "      handover: 'stop-first', // without @towpath/sdk a worker cannot be told to claim nothing; with it, leave this out",
        ]
      : []),
    '    },',
  ];
}

function migrationLines({ database }: Proposal): readonly string[] {
  if (database.migrations !== undefined) {
    return [`  migrations: { dir: ${quote(database.migrations.value)} },${remark(database.migrations.because)}`];
  }
  if (database.leftOut !== undefined) return [`  // No migrations here: ${database.leftOut}.`];
  return ["  // migrations: { dir: 'migrations' }, // no folder with SQL files was found"];
}

/** The text of towpath.config.ts, each value with where it came from. Pure. */
export function writeSource(proposal: Proposal): string {
  const { app, build, groups, database, envFile, nodeEnv, flyApp } = proposal;
  return `${[
    "import { defineConfig } from 'towpath';",
    '',
    '// Written by `towpath init`. `towpath config reference` lists all that can stand here.',
    'export default defineConfig({',
    `  app: ${quote(app.value)},${remark(app.because)}`,
    database.major === undefined
      ? '  // postgres: { major: 15 }, // nothing states the major of production; 15 is the default'
      : `  postgres: { major: ${database.major.value} },${remark(database.major.because)}`,
    ...(build === undefined ? [] : [`  build: { command: ${quote(build.value)} },${remark(build.because)}`]),
    ...migrationLines(proposal),
    '  processes: {',
    ...groups.flatMap((group) => groupLines(group, proposal.hasSdk)),
    '  },',
    '  environments: {',
    '    local: {',
    '      // Without database.url the app gets the embedded Postgres, in DATABASE_URL.',
    ...(nodeEnv ? ["      env: { NODE_ENV: 'production' }, // as in production"] : []),
    ...(envFile.value
      ? ["      envFile: '.env', // its values are treated as secrets"]
      : [
          `      // envFile: '.env',${envFile.because === '' ? ' // its values are treated as secrets' : remark(envFile.because)}`,
        ]),
    '    },',
    ...(flyApp === undefined ? [] : [`    // production: { provider: 'fly' }, // fly.toml names the app ${flyApp}`]),
    '  },',
    '});',
  ].join('\n')}\n`;
}
