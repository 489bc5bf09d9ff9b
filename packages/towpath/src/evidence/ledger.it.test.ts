import { describe, test, type TestContext } from 'vitest';
import { Secret } from '../kernel/index.ts';
import { openDatabase, sql, type Database } from '../system/index.ts';
import { createTestDatabase } from '../system/testing.ts';
import type { Anchor, Fact, Head, Ledger } from './index.ts';
import { createLedger, LEDGER_CHANNEL } from './index.ts';

const scope = { app: 'growth', environment: 'local' };
const about = { scope, rollout: 1, actor: 'engine' };

interface Bench {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly anchored: { head: Head | undefined };
  /** The same ledger as another process sees it. */
  again(): Ledger;
}

/** A ledger in a fresh database, with an anchor in memory. */
async function open({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): Promise<Bench> {
  const { url, dispose } = await createTestDatabase();
  const database = openDatabase(url, { max: 20 });
  onTestFinished(async () => {
    await database.close();
    await dispose();
  });
  const anchored: Bench['anchored'] = { head: undefined };
  const anchor: Anchor = {
    write: (head) => {
      if (head.seq > (anchored.head?.seq ?? 0)) anchored.head = head;
    },
    read: async () => anchored.head,
    flush: async () => {},
  };
  let now = Date.UTC(2026, 0, 1);
  const again = (): Ledger => createLedger({ database, now: () => (now += 7), anchor });
  return { database, anchored, again, ledger: again() };
}

const effect = (n: number) => ({ kind: 'effect', body: { step: 'start', effect: `instance ${n}`, epoch: n } }) as const;

async function fill(ledger: Ledger, rows: number): Promise<void> {
  for (let n = 1; n <= rows; n++) await ledger.record(effect(n), about);
}

/** Does what somebody with all rights on the database could do. */
async function tamper(database: Database, ...statements: readonly string[]): Promise<void> {
  const session = await database.session();
  await session.script(
    [
      'begin',
      'alter table towpath.ledger disable trigger user',
      'alter table towpath.ledger_head disable trigger user',
      ...statements,
      'alter table towpath.ledger enable trigger user',
      'commit',
    ].join(';\n'),
  );
  await session.close();
}

describe('ledger', () => {
  test('what is read is what was recorded, to the last byte', async (t) => {
    const { ledger, database } = await open(t);
    const body = {
      stage: 'é\u{1F6F6} "quoted" \\ \u2028 line\nbreak <script>',
      weight: 0.1 + 0.2,
      verdict: 'healthy',
      because: '',
      input: {
        numbers: [1e21, 1e-7, 5e-324, Number.MAX_SAFE_INTEGER, 1.7976931348623157e308, -0, 1234567.125],
        nested: [{ b: [[], {}], a: null, ü: false, '': 'empty key' }],
        ['__proto__']: 'a member',
      },
    } as const;
    const written = await ledger.record({ kind: 'verdict', body }, about);
    const [read] = await ledger.read({ limit: 10 });
    t.expect(read).toEqual(written);
    t.expect(read?.body).toEqual(JSON.parse(JSON.stringify(body)));
    t.expect(await ledger.verify()).toEqual({ intact: true, rows: 1, head: written.hash, problems: [] });
    // The chain can be checked without any of our code.
    const [row] = await database.query(
      sql`select encode(sha256(convert_to(previous || content, 'UTF8')), 'hex') = hash as same from towpath.ledger`,
    );
    t.expect(row).toEqual({ same: true });
  });

  test('text that Postgres cannot hold is replaced before it is hashed', async (t) => {
    const { ledger } = await open(t);
    await ledger.record({ kind: 'signal.received', body: { signal: 'a\u0000b', reason: '\uD800' } }, about);
    const [read] = await ledger.read({ limit: 10 });
    t.expect(read?.body).toEqual({ signal: 'a\uFFFDb', reason: '\uFFFD' });
    t.expect((await ledger.verify()).intact).toBe(true);
  });

  test('a secret leaves its name alone', async (t) => {
    const { ledger, database } = await open(t);
    const input = { token: new Secret('SHOPIFY_TOKEN', 'hunter2') };
    await ledger.record(
      { kind: 'verdict', body: { stage: '5 %', weight: 5, verdict: 'healthy', because: '', input } },
      about,
    );
    const [row] = await database.query(sql`select l::text as text from towpath.ledger l`);
    t.expect(row?.['text']).toContain('[secret SHOPIFY_TOKEN]');
    t.expect(row?.['text']).not.toContain('hunter2');
  });

  test('what is no JSON is refused and leaves no row', async (t) => {
    const { ledger } = await open(t);
    const input: Record<string, unknown> = {};
    input['self'] = input;
    const verdict = { stage: '5 %', weight: 5, verdict: 'healthy', because: '', input } as const;
    await t.expect(ledger.record({ kind: 'verdict', body: verdict }, about)).rejects.toMatchObject({
      code: 'evidence.not_json',
    });
    t.expect(await ledger.head()).toEqual({ seq: 0, hash: '0'.repeat(64) });
  });

  test('twenty appends at once give a dense, valid chain', async (t) => {
    const { ledger, anchored } = await open(t);
    await Promise.all(Array.from({ length: 20 }, (_, n) => ledger.record(effect(n), about)));
    const rows = await ledger.read({ limit: 100 });
    t.expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    t.expect(await ledger.verify()).toMatchObject({ intact: true, rows: 20 });
    t.expect(anchored.head).toEqual({ seq: 20, hash: rows[19]?.hash });
  });

  test('a row of a transaction that is rolled back was never there', async (t) => {
    const { ledger, database } = await open(t);
    await fill(ledger, 1);
    const failed = database.transaction(async (tx) => {
      await ledger.recordIn(tx, effect(2), about);
      throw new Error('changed my mind');
    });
    await t.expect(failed).rejects.toThrow('changed my mind');
    await database.transaction(async (tx) => {
      await ledger.recordIn(tx, effect(3), about);
    });
    t.expect((await ledger.read({ limit: 9 })).map((row) => row.body)).toEqual([effect(1).body, effect(3).body]);
    t.expect(await ledger.verify()).toMatchObject({ intact: true, rows: 2 });
  });

  test('rows are read by rollout, by scope, and from a seq on; a story starts with its releases', async (t) => {
    const { ledger } = await open(t);
    const source = { kind: 'commit', ref: '' } as const;
    const made = (release: number): Fact => ({
      kind: 'release.created',
      body: { release, artifact: '', source, configHash: '', migrations: [], groups: [], buildMs: 1 },
    });
    for (const release of [1, 2, 3]) await ledger.record(made(release), { scope, rollout: release, actor: 'engine' });
    await ledger.record(made(2), { scope: { ...scope, environment: 'staging' }, actor: 'user:ann' });
    const started = { kind: 'rollout.started', body: { from: 2, to: 3, reason: 'deploy', planHash: '' } } as const;
    await ledger.record(started, { scope, rollout: 7, actor: 'engine' });
    await ledger.record(effect(1), { ...about, rollout: 8 });
    const event = (name: string): Fact => ({
      kind: 'instance',
      body: { id: name, token: name, release: 3, group: 'web', event: 'restarted', because: '' },
    });
    await ledger.record(event('r3.web.0'), { scope, actor: 'keeper' });
    await ledger.record(event('r3.web.0'), { scope: { ...scope, environment: 'staging' }, actor: 'keeper' });
    await ledger.record({ kind: 'control.started', body: { pid: 1, version: '0' } }, { actor: 'control' });
    await ledger.record(effect(2), { scope, rollout: 7, actor: 'engine' });
    await ledger.record(event('r3.web.0'), { scope, actor: 'keeper' });
    const seqs = (rows: readonly { seq: number }[]) => rows.map((row) => row.seq);
    t.expect(seqs(await ledger.read({ rollout: 7, limit: 9 }))).toEqual([5, 10]);
    t.expect(seqs(await ledger.read({ scope, after: 2, limit: 2 }))).toEqual([3, 5]);
    t.expect(seqs(await ledger.story(7))).toEqual([2, 3, 5, 7, 9, 10]);
  });

  test('an append wakes up who listens, once it is committed', async (t) => {
    const { ledger, database } = await open(t);
    const session = await database.session();
    t.onTestFinished(() => session.close());
    await session.query(sql`listen towpath_ledger`);
    const heard = new Promise<string>((resolve) =>
      session.onNotification((channel, seq) => resolve(`${channel} ${seq}`)),
    );
    await fill(ledger, 1);
    t.expect(await heard).toBe(`${LEDGER_CHANNEL} 1`);
  });

  test('rows cannot be changed, removed or emptied by accident', async (t) => {
    const { ledger, database } = await open(t);
    await fill(ledger, 2);
    for (const statement of [
      sql`update towpath.ledger set actor = 'nobody' where seq = 1`,
      sql`delete from towpath.ledger where seq = 2`,
      sql`truncate towpath.ledger`,
      sql`delete from towpath.ledger_head`,
    ]) {
      await t.expect(database.query(statement)).rejects.toThrow('append-only');
    }
    t.expect(await ledger.verify()).toMatchObject({ intact: true, rows: 2 });
  });
});

describe('verify finds, with the triggers out of the way,', () => {
  const rehash = "hash = encode(sha256(convert_to(previous || content, 'UTF8')), 'hex')";
  const cases: readonly (readonly [what: string, statements: readonly string[], problems: readonly RegExp[]])[] = [
    [
      'a changed body',
      [`update towpath.ledger set body = body || '{"epoch": 9}' where seq = 4`],
      [/row 4 .* its body differs/],
    ],
    ['a changed actor', [`update towpath.ledger set actor = 'eve' where seq = 4`], [/row 4 .* its actor differs/]],
    [
      'a changed time',
      [`update towpath.ledger set at = at + interval '1 microsecond' where seq = 4`],
      [/row 4 .* its at differs/],
    ],
    [
      'a row moved to another environment',
      [`update towpath.ledger set environment = 'x' where seq = 4`],
      [/row 4 .* its scope differs/],
    ],
    [
      'a row moved to another rollout',
      [`update towpath.ledger set rollout = null where seq = 4`],
      [/row 4 .* its rollout differs/],
    ],
    [
      'a changed content',
      [`update towpath.ledger set content = replace(content, 'instance 4', 'instance 5') where seq = 4`],
      [/row 4 .* does not have the hash/, /row 4 .* its body differs/],
    ],
    [
      'a content that is no JSON',
      [`update towpath.ledger set content = 'x' where seq = 4`],
      [/row 4 .* hash/, /row 4 .* its content/],
    ],
    [
      'a change with its hash made to fit',
      [
        `update towpath.ledger set content = replace(content, 'instance 4', 'instance 5'), body = body || '{"effect": "instance 5"}' where seq = 4`,
        `update towpath.ledger set ${rehash} where seq = 4`,
      ],
      [/row 5 does not follow row 4/],
    ],
    ['a removed row', ['delete from towpath.ledger where seq = 4'], [/row 4 is missing before row 5/]],
    [
      'removed rows at the beginning',
      ['delete from towpath.ledger where seq < 3'],
      [/rows 1 to 2 are missing before row 3/],
    ],
    [
      'a removed end',
      ['delete from towpath.ledger where seq > 6'],
      [/rows 7 to 8 are missing at the end: the head/, /rows 7 to 8 are missing at the end: the anchor/],
    ],
    [
      'a removed end with its head made to fit',
      [
        'delete from towpath.ledger where seq > 6',
        'update towpath.ledger_head set seq = 6, hash = (select hash from towpath.ledger where seq = 6)',
      ],
      [/rows 7 to 8 are missing at the end: the anchor outside of the database has seen row 8/],
    ],
    [
      'a rewritten end with all hashes made to fit',
      [
        `update towpath.ledger set content = replace(content, 'instance 8', 'instance 9'), body = body || '{"effect": "instance 9"}' where seq = 8`,
        `update towpath.ledger set ${rehash} where seq = 8`,
        'update towpath.ledger_head set hash = (select hash from towpath.ledger where seq = 8)',
      ],
      [/row 8 is not the one that the anchor/],
    ],
    [
      'two rows that changed places',
      [
        'update towpath.ledger set seq = 100 where seq = 3',
        'update towpath.ledger set seq = 3 where seq = 5',
        'update towpath.ledger set seq = 5 where seq = 100',
      ],
      [
        /row 3 does not follow row 2/,
        /row 3 .* its seq/,
        /row 4 does not follow/,
        /row 5 does not follow/,
        /row 5 .* its seq/,
        /row 6 does not/,
      ],
    ],
    [
      'an inserted row',
      [
        `insert into towpath.ledger select 9, at, app, environment, rollout, actor, kind, body, (select hash from towpath.ledger_head), hash, content from towpath.ledger where seq = 2`,
      ],
      [/row 9 was changed.*hash/, /row 9 .* its seq/, /row 9 is not known to the head/],
    ],
    [
      'a row inserted in the middle',
      [
        'update towpath.ledger set seq = seq + 1000 where seq > 4',
        'update towpath.ledger set seq = seq - 999 where seq > 1000',
        `insert into towpath.ledger select 5, at, app, environment, rollout, actor, kind, body, hash, hash, content from towpath.ledger where seq = 4`,
      ],
      [/row 5 .* hash/, /row 5 .* its seq/, /row 6 .* its seq/, /row 9 is not known to the head/],
    ],
    [
      'a changed head',
      [`update towpath.ledger_head set hash = repeat('a', 64)`],
      [/the head names aaaaaaaaaaaa as the hash of row 8/],
    ],
    ['a head set back', [`update towpath.ledger_head set seq = 7`], [/row 8 is not known to the head/]],
    ['a removed head', [`delete from towpath.ledger_head`], [/ledger_head is empty/]],
    [
      'an emptied ledger',
      ['truncate towpath.ledger'],
      [/rows 1 to 8 are missing at the end/, /rows 1 to 8 are missing .*anchor/],
    ],
  ];

  test('nothing, as long as nothing was done', async (t) => {
    const { ledger, database } = await open(t);
    await fill(ledger, 8);
    await tamper(database);
    t.expect(await ledger.verify()).toMatchObject({ intact: true, rows: 8, problems: [] });
  });

  test('each kind of change, with its row', async (t) => {
    const { ledger, database } = await open(t);
    await fill(ledger, 8);
    const session = await database.session();
    t.onTestFinished(() => session.close());
    await session.script(
      'create table kept as table towpath.ledger; create table kept_head as table towpath.ledger_head',
    );
    for (const [what, statements, problems] of cases) {
      await tamper(database, ...statements);
      const verification = await ledger.verify();
      t.expect(verification.intact, what).toBe(false);
      for (const problem of problems)
        t.expect(
          verification.problems.map((p) => p.problem),
          what,
        ).toContainEqual(t.expect.stringMatching(problem));
      await tamper(
        database,
        'truncate towpath.ledger, towpath.ledger_head',
        'insert into towpath.ledger table kept',
        'insert into towpath.ledger_head table kept_head',
      );
      t.expect((await ledger.verify()).intact, `restored after ${what}`).toBe(true);
    }
  });

  test('a cut-off end also after more was appended, by the same process or another', async (t) => {
    const { ledger, database, again } = await open(t);
    await fill(ledger, 8);
    await tamper(
      database,
      'delete from towpath.ledger where seq > 6',
      'update towpath.ledger_head set seq = 6, hash = (select hash from towpath.ledger where seq = 6)',
    );
    await fill(ledger, 4);
    const seen = { seq: 8, problem: t.expect.stringMatching(/row 8 is not the one that the anchor/) };
    t.expect((await ledger.verify()).problems).toEqual([seen]);
    await fill(again(), 4);
    t.expect((await again().verify()).problems).toEqual([seen]);
  });

  test('a long ledger too, batch by batch', async (t) => {
    const { ledger, database } = await open(t);
    // Rows made in SQL, by the rule that the schema states.
    await tamper(
      database,
      `do $$
       declare p text := repeat('0', 64); c text; h text;
       begin
         for n in 1..9000 loop
           c := '{"actor":"engine","at":"2026-01-01T00:00:00.000Z","body":{"n":' || n || '},"kind":"effect","rollout":null,"scope":null,"seq":' || n || '}';
           h := encode(sha256(convert_to(p || c, 'UTF8')), 'hex');
           insert into towpath.ledger values (n, '2026-01-01Z', null, null, null, 'engine', 'effect', c::jsonb->'body', p, h, c);
           p := h;
         end loop;
         update towpath.ledger_head set seq = 9000, hash = p;
       end $$`,
    );
    t.expect(await ledger.verify()).toMatchObject({ intact: true, rows: 9000 });
    await tamper(database, 'delete from towpath.ledger where seq = 4000');
    t.expect((await ledger.verify()).problems).toEqual([
      { seq: 4000, problem: 'row 4000 is missing before row 4001: removed, or moved elsewhere' },
    ]);
  });
});
