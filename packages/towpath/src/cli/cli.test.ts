import { test } from 'vitest';
import { COMMANDS, EXIT, EXIT_MEANING, GLOBAL_OPTIONS } from './index.ts';
import { completionsFor } from './run/completions.ts';
import { readEvents } from './sse.ts';
import { towpath } from './testing.ts';

test('an option means the same in every command', ({ expect }) => {
  const seen = new Map<string, string>();
  const shorts = new Map<string, string>();
  for (const options of [GLOBAL_OPTIONS, ...COMMANDS.map((command) => command.options ?? {})]) {
    for (const [name, option] of Object.entries(options)) {
      expect(seen.get(name) ?? option.type, name).toBe(option.type);
      seen.set(name, option.type);
      if (option.short === undefined) continue;
      expect(shorts.get(option.short) ?? name, option.short).toBe(name);
      shorts.set(option.short, name);
    }
  }
});

test.for(COMMANDS)('$name has a handler, an example and help', async (command, { expect }) => {
  expect(await command.run()).toBeTypeOf('function');
  expect(command.examples.length).toBeGreaterThan(0);
  const ran = await towpath([...command.name.split(' '), '--help']);
  expect(ran.code).toBe(EXIT.ok);
  expect(ran.out).toContain(`towpath ${command.name}`);
  const document: unknown = JSON.parse((await towpath(['help', ...command.name.split(' '), '--json'])).out);
  expect(document).toMatchObject({ name: command.name });
});

test('exit codes are what they have always been', ({ expect }) => {
  expect(EXIT).toEqual({ ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, unexpected: 5 });
  expect(EXIT_MEANING.map(([code]) => code)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('no command: the overview, and a usage error', async ({ expect }) => {
  const ran = await towpath([]);
  expect(ran.code).toBe(EXIT.usage);
  expect(ran.out).toContain('towpath up');
});

test.for([
  ['depoly', 'cli.unknown_command', 'did you mean `towpath deploy`?'],
  ['evidence verfy', 'cli.unknown_command', 'did you mean `towpath evidence verify`?'],
  ['evidence', 'cli.unknown_command', 'write `towpath evidence verify` or `towpath evidence show`'],
  ['kubernetes', 'cli.unknown_command', 'see `towpath --help`'],
  ['deploy --wiat', 'cli.unknown_option', 'did you mean --wait?'],
  ['status --follow', 'cli.unknown_option', 'it belongs to `towpath logs`; see `towpath status --help`'],
  ['deploy -x', 'cli.unknown_option', 'see `towpath deploy --help`'],
  ['deploy --plan', 'cli.bad_value', 'write --plan <hash>'],
  ['deploy --wait=yes', 'cli.bad_value', 'write --wait alone'],
  ['status now', 'cli.extra_argument', 'see `towpath status --help`'],
  ['completions', 'cli.missing_argument', 'shell: bash, zsh or fish.'],
  ['completions bsh', 'cli.bad_value', 'did you mean bash? It takes bash, zsh, fish'],
  ['help deplyo', 'cli.unknown_command', 'did you mean `towpath help deploy`?'],
] as const)('`towpath %s` is refused with %s and advice', async ([line, code, hint], { expect }) => {
  const ran = await towpath(line.split(' '));
  expect(ran).toMatchObject({ code: EXIT.usage, out: '' });
  expect(ran.err).toMatch(/^✗ /);
  expect(ran.err.split('\n').slice(-3)).toEqual([`  ${code}`, `  → ${hint}`, '']);
  const { error } = JSON.parse((await towpath([...line.split(' '), '--json'])).out);
  expect(error).toMatchObject({ code, hint, remedy: 'fix-input' });
});

test('a defect in a command ends 5 and keeps its id', async ({ expect }) => {
  const broken = (): Promise<never> => Promise.reject(new TypeError('boom'));
  const ran = await towpath(['up', '-c', '/nowhere/x.ts'], { needs: { up: broken } });
  expect(ran.code).toBe(EXIT.unexpected);
  expect(ran.err).toMatch(/^✗ boom\n {2}internal\.unexpected [0-9a-f]{8}\n/);
});

test.for([
  [{}, ['help'], true],
  [{ NO_COLOR: '1' }, ['help'], false],
  [{ TERM: 'dumb' }, ['help'], false],
  [{}, ['help', '--no-color'], false],
  [{}, ['help', '--json'], false],
] as const)('colours with %j and %j: %s', async ([env, argv, coloured], { expect }) => {
  const ran = await towpath(argv, { env, columns: 80 });
  expect(ran.out.includes('\u001B[')).toBe(coloured);
});

test('no colours into a pipe, unless forced', async ({ expect }) => {
  expect((await towpath(['help'])).out).not.toContain('\u001B[');
  expect((await towpath(['help'], { env: { FORCE_COLOR: '1' } })).out).toContain('\u001B[');
});

test.for(['bash', 'zsh', 'fish'])('completions for %s name every command and option', (shell, { expect }) => {
  const script = completionsFor(shell);
  for (const command of COMMANDS) {
    for (const word of command.name.split(' ')) expect(script).toContain(word);
    for (const option of Object.keys(command.options ?? {})) expect(script).toContain(option);
  }
});

test('events that arrive in any pieces are the same events', async ({ expect }) => {
  const text =
    ': hello\n\nid: 1\ndata: {"a":1}\n\nevent: progress\r\ndata: one\r\ndata: two\r\n\r\nevent: end\ndata:\n\nid: 2\ndata: cut';
  for (const size of [1, 2, 3, 7, 1000]) {
    async function* pieces(): AsyncGenerator<string> {
      for (let i = 0; i < text.length; i += size) yield await Promise.resolve(text.slice(i, i + size));
    }
    const events = [];
    for await (const event of readEvents(pieces())) events.push(event);
    expect(events).toEqual([
      { id: '1', event: 'message', data: '{"a":1}' },
      { id: undefined, event: 'progress', data: 'one\ntwo' },
      { id: undefined, event: 'end', data: '' },
    ]);
  }
});
