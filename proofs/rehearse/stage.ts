import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { LedgerEntry } from '@towpath/wire';
import { assembleGrowth, type AssembledGrowth, type GrowthVersion } from '../../examples/growth-releases/assemble.ts';
import { startOpenAiSimulator } from '../../examples/simulators/openai.ts';
import { startShopifySimulator, type ShopifySimulator } from '../../examples/simulators/shopify.ts';
import {
  ensureDatabase,
  ensureEmbeddedPostgres,
  openDatabase,
  type Database,
} from '../../packages/towpath/src/system/index.ts';
import { openProject, type Project } from '../support/project.ts';
import { startTraffic, type Mix, type Traffic } from '../support/traffic/index.ts';
import { startActions, type ActionStream } from './actions.ts';
import { followLedger } from './ledger-feed.ts';
import type { Screen } from './screen.ts';
import { tell } from './story.ts';

const TICK_SECONDS = 5;
const RPS = 110;
/** The list of actions is dear for a small app; most requests are posts, uploads and streams. */
const MIX: Mix = { get: 20, fresh: 10, echo: 45, upload: 20, slow: 2, events: 1, socket: 2 };
const ACTIONS_PER_SECOND = 4;

/** Some 20 are under way at a time. On a machine that cannot keep up less is sent, and said, in place of an overload. */
const MOST_IN_FLIGHT = 200;

/** How fast a rehearsal goes; durations as in towpath.config.ts. */
export interface Pace {
  readonly hold: string;
  readonly bake: string;
  /** How long v4-bad is waited for. */
  readonly ready: string;
}

/** Growth on this machine with all that it needs. `close` leaves no process. */
export interface Stage {
  readonly growth: AssembledGrowth;
  readonly project: Project;
  readonly shopify: ShopifySimulator;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** The recommenders that every version has, with the seconds at which their ticks are due. */
  readonly recommenders: readonly { readonly name: string; dueAt(second: number): boolean }[];
  /** The tag of a release. */
  nameOf(release: number): string;
  /** Whether a release was taken back, so that deploys are paused. */
  takenBack: boolean;
  /** Rollouts whose last row is in the ledger. */
  readonly finished: ReadonlySet<number>;
  /** When the timeline shows all that the ledger has. */
  caughtUp(): Promise<void>;
  /** Every traffic that was started, running or not. */
  readonly traffics: readonly Traffic[];
  load(more?: { readonly rps: number }): Promise<Traffic>;
  readonly actions: ActionStream | undefined;
  startActions(): Promise<ActionStream>;
  /** Of the app. */
  appDatabase(): Promise<Database>;
  /** Of the control plane. */
  controlDatabase(): Promise<Database>;
  /** Runs when the stage is closed. */
  atClose(act: () => void): void;
  close(): Promise<void>;
}

export async function openStage(dir: string, pace: Pace, screen: Screen, signal: AbortSignal): Promise<Stage> {
  const place = path.join(dir, 'growth');
  await mkdir(dir, { recursive: true });
  screen.say('● assembling growth, a Shopify app, as its team has it: a git repository, a tag for each version');
  const growth = await assembleGrowth({ dir: place });
  screen.say('✓ growth: v1, v2 (adds a column and a recommender), v3-bad and v4-bad');
  const shopify = await startShopifySimulator({ plan: 'plus' });
  const openai = await startOpenAiSimulator({});
  screen.say(`✓ the simulators of Shopify and OpenAI answer at ${shopify.url} and ${openai.url}`);

  const project = openProject(place, {
    SHOPIFY_URL: shopify.url,
    OPENAI_URL: openai.url,
    GROWTH_HOLD: pace.hold,
    GROWTH_BAKE: pace.bake,
    GROWTH_READY: pace.ready,
    GROWTH_EVERY: String(TICK_SECONDS),
    TOWPATH_ACTOR: 'user:rehearsal',
  });
  const traffics: Traffic[] = [];
  const databases: Database[] = [];
  const names = new Map<number, GrowthVersion>([[1, 'v1']]);
  const nameOf = (release: number): string => names.get(release) ?? `release ${release}`;
  const learn = (entry: LedgerEntry): void => {
    if (entry.kind !== 'release.created') return;
    const source = entry.body['source'];
    const ref: unknown = typeof source === 'object' && source !== null ? Reflect.get(source, 'ref') : undefined;
    const version = Object.entries(growth.commits).find(([, commit]) => commit === ref)?.[0];
    if (version === 'v1' || version === 'v2' || version === 'v3-bad' || version === 'v4-bad' || version === 'v5')
      names.set(Number(entry.body['release']), version);
  };
  let waiting: number | null = null;
  const finished = new Set<number>();
  const feed = followLedger(place, (entry) => {
    learn(entry);
    // Every stage begins without requests to judge by; once told is enough.
    if (entry.kind === 'verdict' && entry.body['verdict'] === 'insufficient') {
      if (waiting === entry.rollout) return;
      waiting = entry.rollout;
    }
    const line = entry.rollout === null && entry.kind !== 'release.created' ? undefined : tell(entry, nameOf);
    if (line !== undefined) screen.say(line);
    if (entry.kind === 'rollout.finished' && entry.rollout !== null) finished.add(entry.rollout);
  });

  const url = async (): Promise<string> => {
    const found = (await project.here()).url;
    if (found === null) throw new Error('the router has no address');
    return found;
  };
  const connect = async (name: string): Promise<Database> => {
    const server = await ensureEmbeddedPostgres({ dir: path.join(place, '.towpath', 'postgres'), major: 15 });
    const database = openDatabase(await ensureDatabase(server.adminUrl, name), { max: 2, name: 'rehearsal' });
    databases.push(database);
    return database;
  };
  let app: Promise<Database> | undefined;
  let control: Promise<Database> | undefined;
  let actions: ActionStream | undefined;
  const last: (() => void)[] = [];

  return {
    growth,
    project,
    shopify,
    screen,
    signal,
    recommenders: ['seo-ctr', 'metaobject', 'merch-playbook', 'guided-selling'].map((name, i) => ({
      name,
      dueAt: (second) => second >= i * 2 && (second - i * 2) % TICK_SECONDS === 0,
    })),
    nameOf,
    takenBack: false,
    finished,
    caughtUp: () => feed.catchUp(),
    traffics,
    async load({ rps } = { rps: RPS }) {
      const traffic = await startTraffic({
        url: await url(),
        rps,
        mix: MIX,
        maxInFlight: MOST_IN_FLIGHT,
        slowMs: 2000,
        heldMs: [1000, 4000],
        timeoutMs: 30_000,
        signal,
      });
      traffics.push(traffic);
      return traffic;
    },
    get actions() {
      return actions;
    },
    async startActions() {
      return (actions ??= startActions(await url(), ACTIONS_PER_SECOND));
    },
    appDatabase: () => (app ??= connect('growth_local')),
    controlDatabase: () => (control ??= connect('towpath')),
    atClose: (act) => void last.push(act),
    async close() {
      for (const act of last) act();
      await feed.stop();
      const stopped = signal.aborted ? [] : traffics.map((traffic) => traffic.stop());
      await Promise.allSettled([actions?.stop(), ...stopped]);
      await Promise.allSettled(databases.map((database) => database.close()));
      await project.down();
      await Promise.allSettled([shopify.close(), openai.close()]);
    },
  };
}
