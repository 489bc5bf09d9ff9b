import { kindOf } from '../system/index.ts';
import { TowpathError } from '../kernel/index.ts';
import { proposeDatabase } from './database.ts';
import type { Finding, Notes, Reasoned, Unknown } from './findings.ts';
import { proposeGroups, safeName } from './processes.ts';
import { at, readSources, text, type Sources } from './sources.ts';
import { writeSource, type Proposal } from './source-text.ts';

export type { Finding, Unknown } from './findings.ts';

/** What an app's folder tells about how it runs, and a config made of it. */
export interface Discovery {
  readonly app: string;
  readonly found: readonly Finding[];
  readonly unknown: readonly Unknown[];
  /** The text of towpath.config.ts. */
  readonly config: string;
}

function appName(sources: Sources): Reasoned<string> {
  const fly = text(at(sources.fly, 'app'));
  if (fly !== undefined) return { value: safeName(fly, 'app'), because: 'fly.toml app' };
  const named = sources.packageJson?.name?.replace(/^@[^/]+\//, '');
  if (named !== undefined) return { value: safeName(named, 'app'), because: 'package.json name' };
  return { value: safeName(sources.folder, 'app'), because: 'the name of the folder' };
}

function buildCommand(sources: Sources, notes: Notes): Reasoned<string> | undefined {
  const { packageJson, packageManager } = sources;
  const prisma = packageJson?.dependencies.includes('prisma') || packageJson?.dependencies.includes('@prisma/client');
  const has = packageJson?.scripts['build'] !== undefined;
  const generates = /prisma generate/.test(
    `${packageJson?.scripts['build'] ?? ''} ${packageJson?.scripts['postinstall'] ?? ''}`,
  );
  const parts = [
    ...(prisma && !generates ? ['npx prisma generate'] : []),
    ...(has ? [`${packageManager.name} run build`] : []),
  ];
  if (parts.length === 0) return undefined;
  const because = [
    ...(has ? ['package.json scripts.build'] : []),
    ...(prisma && !generates ? ['Prisma needs its client generated'] : []),
  ].join('; ');
  notes.found.push({ where: 'package.json', what: parts.join(' && '), usedFor: 'build' });
  return { value: parts.join(' && '), because };
}

/** By Towpath itself. */
const GIVEN = new Set(['DATABASE_URL', 'PORT', 'NODE_ENV', 'HOST']);

function environmentOf(sources: Sources, notes: Notes): Reasoned<boolean> {
  const wanted = sources.envExample.filter((name) => !GIVEN.has(name));
  if (sources.envExample.includes('DATABASE_URL')) {
    notes.found.push({
      where: '.env.example',
      what: 'DATABASE_URL',
      usedFor: 'nothing to do: Towpath gives the app its database',
    });
  }
  const missing = wanted.filter((name) => !(sources.envFile ?? []).includes(name));
  if (wanted.length > 0)
    notes.found.push({ where: '.env.example', what: `${wanted.length} variables`, usedFor: 'the names the app needs' });
  if (sources.envFile !== undefined)
    notes.found.push({ where: '.env', what: `${sources.envFile.length} variables`, usedFor: 'envFile of local' });
  if (missing.length > 0) {
    notes.unknown.push({
      what: `values of ${missing.slice(0, 6).join(', ')}${missing.length > 6 ? ` and ${missing.length - 6} more` : ''}`,
      assumed:
        sources.envFile === undefined
          ? 'write them into .env, then name it as envFile of the environment'
          : 'write them into .env',
      blocking: false,
    });
  }
  return sources.envFile === undefined
    ? { value: false, because: wanted.length > 0 ? '.env.example names what belongs in it' : '' }
    : { value: true, because: '.env' };
}

/** What is there but says something else than it seems. */
function remark(sources: Sources, notes: Notes): void {
  for (const { file, why } of sources.broken) {
    notes.unknown.push({ what: `what ${file} says`, assumed: `it cannot be read: ${why}`, blocking: false });
  }
  const dependencies = sources.packageJson?.dependencies ?? [];
  const cron = dependencies.find((name) =>
    ['node-cron', 'cron', 'croner', 'node-schedule', 'bree', 'toad-scheduler'].includes(name),
  );
  if (cron !== undefined) {
    notes.unknown.push({
      what: `what ${cron} schedules inside the app`,
      assumed: 'it goes on, in every instance; a process group of kind "cron" runs each tick exactly once',
      blocking: false,
    });
  }
  if (sources.packageJson?.workspaces) {
    notes.unknown.push({
      what: 'which workspace is the app',
      assumed: 'this folder is taken; run `towpath init <folder>` for one below',
      blocking: false,
    });
  }
  const flyPort = at(sources.fly, 'http_service', 'internal_port');
  const exposed = /^\s*EXPOSE\s+(\d+)/im.exec(sources.dockerfile ?? '')?.[1];
  const port = typeof flyPort === 'number' ? String(flyPort) : exposed;
  if (port !== undefined) {
    notes.found.push({
      where: typeof flyPort === 'number' ? 'fly.toml internal_port' : 'Dockerfile EXPOSE',
      what: port,
      usedFor: 'nothing: each instance is given a free port in PORT',
    });
  }
}

/**
 * Looks at an app and proposes a config. Reads names of variables, never their values.
 * @throws TowpathError `discovery.no_such_folder`
 */
export async function discover(dir: string): Promise<Discovery> {
  if ((await kindOf(dir)) !== 'folder') {
    throw new TowpathError('discovery.no_such_folder', `there is no folder ${dir}`, {
      remedy: 'fix-input',
      hint: 'name the folder that holds the app',
    });
  }
  const sources = await readSources(dir);
  const notes: Notes = { found: [], unknown: [] };
  const app = appName(sources);
  notes.found.push({ where: app.because, what: app.value, usedFor: 'app' });
  const build = buildCommand(sources, notes);
  const groups = proposeGroups(sources, notes);
  const database = proposeDatabase(sources, notes);
  const envFile = environmentOf(sources, notes);
  remark(sources, notes);
  const flyEnv = text(at(sources.fly, 'env', 'NODE_ENV'));
  const proposal: Proposal = {
    app,
    build,
    groups,
    database,
    hasSdk: sources.packageJson?.dependencies.includes('@towpath/sdk') ?? false,
    nodeEnv: flyEnv === 'production' || /^\s*ENV\s+NODE_ENV[= ]"?production/im.test(sources.dockerfile ?? ''),
    envFile,
    flyApp: text(at(sources.fly, 'app')),
  };
  return { app: app.value, found: notes.found, unknown: notes.unknown, config: writeSource(proposal) };
}
