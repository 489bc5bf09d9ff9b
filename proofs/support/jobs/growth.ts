import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { assembleGrowth } from '../../../examples/growth-releases/assemble.ts';
import { startOpenAiSimulator } from '../../../examples/simulators/openai.ts';
import { startShopifySimulator } from '../../../examples/simulators/shopify.ts';
import { ensureDatabase, ensureEmbeddedPostgres } from '../../../packages/towpath/src/system/index.ts';
import { openProject, type Project } from '../project.ts';

/** Five recommenders make 100 ticks a minute; more often than a busy machine runs them, they would only queue. */
export const TICK_SECONDS = 3;
export const SCHEDULE = `*/${TICK_SECONDS} * * * * *`;
/** A killed worker's action is claimed again after this. */
const CLAIM_MS = '2000';

/** The growth app in a folder, its two versions to deploy back and forth, and the services it calls. */
export interface GrowthUnderTest {
  readonly project: Project;
  /** Branches: v2 and v5 with short stages. */
  readonly versions: readonly [string, string];
  /** Effects and attempts at the Shopify simulator, a JSON object a line. */
  readonly effectsFile: string;
  /** Once the control plane runs. */
  databases(): Promise<{ readonly app: string; readonly control: string }>;
  close(): Promise<void>;
}

/** Starts the simulators, with faults on, and assembles growth. Nothing is deployed yet. */
export async function prepareGrowth(folder: string): Promise<GrowthUnderTest> {
  const effectsFile = path.join(folder, 'effects.jsonl');
  const shopify = await startShopifySimulator({
    plan: 'enterprise',
    state: effectsFile,
    behaviour: {
      leastLatencyMs: 10,
      mostLatencyMs: 60,
      loseAnswer: 0.03,
      throttled: 0.003,
      rateLimited: 0.01,
      retryAfterSeconds: 0.5,
      failing: 0.003,
    },
  });
  const openai = await startOpenAiSimulator();
  const dir = path.join(folder, 'growth');
  await assembleGrowth({ dir });
  for (const tag of ['v2', 'v5']) await shorten(dir, tag, `jobs-${tag}`);
  const project = openProject(dir, {
    SHOPIFY_URL: shopify.url,
    OPENAI_URL: openai.url,
    GROWTH_SCHEDULE: SCHEDULE,
    CLAIM_MS,
  });
  return {
    project,
    versions: ['jobs-v2', 'jobs-v5'],
    effectsFile,
    async databases() {
      const { adminUrl } = await ensureEmbeddedPostgres({ dir: path.join(dir, '.towpath', 'postgres'), major: 15 });
      return {
        app: await ensureDatabase(adminUrl, 'growth_local'),
        control: await ensureDatabase(adminUrl, 'towpath'),
      };
    },
    async close() {
      await shopify.close();
      await openai.close();
    },
  };
}

/**
 * A branch of a version whose rollouts are over in seconds, with two workers. Killed web instances fail
 * requests, and here that is not to decide about a rollout.
 */
async function shorten(dir: string, tag: string, branch: string): Promise<void> {
  const file = path.join(dir, 'towpath.config.ts');
  await git(dir, 'checkout', '--quiet', '-b', branch, tag);
  const before = await readFile(file, 'utf8');
  const after = before
    .replace(
      /rollout: \{.*\n {2}\},/s,
      `rollout: {
    stages: [50, 100],
    hold: '200ms',
    deadline: '500ms',
    onDeadline: 'proceed',
    bake: '1s',
    health: { minRequests: 1, minFailures: 1_000_000 },
  },`,
    )
    .replace(/(command: \['node', 'src\/worker\.ts'\],\s+instances:) 1/, '$1 2');
  if (!after.includes("'200ms'") || !after.includes('instances: 2')) throw new Error(`cannot shorten ${tag}`);
  await writeFile(file, after);
  await git(dir, 'commit', '--quiet', '--all', '-m', 'Short stages, two workers');
}

async function git(cwd: string, ...args: readonly string[]): Promise<void> {
  const who = ['-c', 'user.name=Growth team', '-c', 'user.email=growth@example.com', '-c', 'commit.gpgsign=false'];
  await promisify(execFile)('git', [...who, ...args], { cwd, timeout: 60_000 });
}
