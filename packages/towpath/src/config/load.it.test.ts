import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { TowpathError } from '../kernel/index.ts';
import { loadConfig, type ConfigProblem, type LoadOptions } from './index.ts';

type Finish = (fn: () => Promise<void>) => void;

async function folder(onTestFinished: Finish, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'towpath-config-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
  return dir;
}

const withConfig = (onTestFinished: Finish, source: string): Promise<string> =>
  folder(onTestFinished, { 'towpath.config.ts': source });

async function refusal(dir: string, options: LoadOptions = {}): Promise<TowpathError> {
  const thrown: unknown = await loadConfig(dir, options).catch((error: unknown) => error);
  if (thrown instanceof TowpathError) return thrown;
  throw new Error('it was accepted');
}

const problemsOf = (error: TowpathError): readonly string[] =>
  ((error.details?.['problems'] ?? []) as ConfigProblem[]).map(
    (problem) =>
      `${problem.line}:${problem.column} ${problem.path}: ${problem.message}${problem.suggestion === '' ? '' : ` [${problem.suggestion}]`}`,
  );

const GOOD = `import { defineConfig } from 'towpath';
export default defineConfig({ app: 'a', processes: { web: { kind: 'web', command: 'node s.js' } } });
`;

test('a good config: defaults filled in, durations in milliseconds, found from a folder below', async ({
  expect,
  onTestFinished,
}) => {
  const dir = await folder(onTestFinished, { 'towpath.config.ts': GOOD, 'src/x.ts': '' });
  const { config, file } = await loadConfig(path.join(dir, 'src'));
  expect(file).toBe(path.join(dir, 'towpath.config.ts'));
  expect(config.processes['web']).toMatchObject({ memory: 512, stopTimeout: 10_000, readiness: { timeout: 60_000 } });
  expect(config.environments['local']).toMatchObject({ provider: 'local', port: 0 });
  expect(config.environments['local']?.bake).toBeUndefined();
});

test('the hash follows the meaning, not the layout', async ({ expect, onTestFinished }) => {
  const same = `// another layout
const web = { command: 'node s.js', kind: 'web', memory: '512mb' } as const;
console.log('{"ok":false}');
export default { processes: { web }, app: 'a' };`;
  const [a, b, c] = await Promise.all(
    [GOOD, same, GOOD.replace('s.js', 't.js')].map(async (source) =>
      loadConfig(await withConfig(onTestFinished, source)),
    ),
  );
  expect(b?.hash).toBe(a?.hash);
  expect(c?.hash).not.toBe(a?.hash);
});

test('every problem is told at once, where it stands and with what was meant', async ({ expect, onTestFinished }) => {
  const dir = await withConfig(
    onTestFinished,
    `import { defineConfig } from 'towpath';

const web = { kind: 'web', command: 3, readyness: { path: '/x' } } as const;
export default defineConfig({
  app: 'Growth',
  hold: '5s',
  postgres: { major: 12 },
  processes: {
    web,
    tick: { kind: 'cron', command: 'node t.js', schedule: '* * *' },
    Bad: { kind: 'worker', command: 'x' },
    odd: { kind: 'wroker', command: 'x' },
    none: { command: 'x' },
  },
  environments: { local: { database: { url: 'postgres://a:hunter2@h/db' }, provider: 'heroku', stages: [10, 5] } },
  rollout: { stages: [5, 3], hold: 'soon' },
});
`,
  );
  const error = await refusal(dir);
  expect(error.code).toBe('config.invalid');
  expect(error.message).toBe('towpath.config.ts has 16 problems');
  expect(JSON.stringify(error)).not.toContain('hunter2');
  expect(problemsOf(error)).toMatchInlineSnapshot(`
    [
      "3:28 processes.web.command: expected a text or a list, not 3",
      "3:40 processes.web.readyness: "readyness" is not known here [did you mean readiness?]",
      "5:3 app: use lower-case letters, digits and dashes, starting with a letter",
      "6:3 hold: "hold" is not known here [did you mean rollout.hold?]",
      "7:15 postgres.major: must be at least 13, not 12",
      "10:49 processes.tick.schedule: "* * *" is no cron expression of 5 or 6 fields [such as "*/5 * * * *", in UTC]",
      "11:5 processes.Bad: "Bad" is no name: use lower-case letters, digits and dashes, starting with a letter",
      "12:12 processes.odd.kind: kind cannot be "wroker": web, worker or cron [did you mean worker?]",
      "13:5 processes.none.kind: kind is missing: web, worker or cron",
      "15:40 environments.local.database.url: takes the NAME of a variable, not a URL: secrets do not belong in the config [such as "DATABASE_URL"]",
      "15:76 environments.local.provider: cannot be "heroku": use local, fly",
      "15:96 environments.local.stages: stages must rise",
      "15:96 environments.local.stages: the last stage must be 100",
      "16:14 rollout.stages: stages must rise",
      "16:14 rollout.stages: the last stage must be 100",
      "16:30 rollout.hold: "soon" is not a duration; write 500ms, 30s, 5m, 2h or 1d",
    ]
  `);
});

test.for([
  ['a missing brace', 'export default {\n  app: "a",\n  processes: {\n', 'config.syntax', /^3:1 /],
  [
    'types that cannot be stripped',
    'const a: number = 1;\nenum X { A }\nexport default { a };',
    'config.syntax',
    /^2:1 .*enum/,
  ],
  ['a word in the wrong place', 'export default { a b: 2 };', 'config.syntax', /^1:20 /],
  [
    'an error while it runs',
    'const a = 1;\nthrow new Error("no " + a);\nexport default {};',
    'config.threw',
    /^2:7 : no 1/,
  ],
  ['a module that is missing', 'import "not-there";\nexport default {};', 'config.threw', /not-there/],
  ['an end of its own', 'process.exit(3);', 'config.threw', /code 3/],
  ['no default export', 'export const app = "a";', 'config.invalid', /no config/],
  [
    'a function in it',
    'export default {\n  app: () => "a" };',
    'config.invalid',
    /^2:3 app: must be plain data, not a function/,
  ],
] as const)('%s is refused with its place', async ([, source, code, problem], { expect, onTestFinished }) => {
  const error = await refusal(await withConfig(onTestFinished, source));
  expect(error.code).toBe(code);
  expect(error.remedy).toBe('fix-input');
  expect(problemsOf(error)).toEqual([expect.stringMatching(problem)]);
});

test('a config that never ends is stopped, its children with it', async ({ expect, onTestFinished }) => {
  const error = await refusal(await withConfig(onTestFinished, 'for (;;) {}\nexport default {};'), { timeoutMs: 700 });
  expect(error.code).toBe('config.timeout');
});

test('a timer that the config leaves open does not hold the answer up', async ({ expect, onTestFinished }) => {
  const dir = await withConfig(onTestFinished, `setInterval(() => {}, 1000);\n${GOOD}`);
  expect((await loadConfig(dir)).config.app).toBe('a');
});

test('it is read as a module beside a package.json of type commonjs', async ({ expect, onTestFinished }) => {
  const dir = await folder(onTestFinished, { 'towpath.config.ts': GOOD, 'package.json': '{"type":"commonjs"}' });
  expect((await loadConfig(dir)).config.app).toBe('a');
});

test('no config, and a named one that is missing', async ({ expect, onTestFinished }) => {
  const dir = await folder(onTestFinished, {});
  expect(await refusal(dir)).toMatchObject({ code: 'config.not_found', hint: expect.stringContaining('towpath init') });
  expect(await refusal(dir, { file: 'other.ts' })).toMatchObject({ code: 'config.not_found' });
});
