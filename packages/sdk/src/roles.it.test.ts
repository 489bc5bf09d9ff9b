import { describe, test } from 'vitest';
import { startInstance } from './testing/instance.ts';

const LOOP = `
let n = 0;
tow.shutdown([{ name: 'end', close: () => console.log('closed') }], { timeoutMs: 3000 });
tow.ready();
await tow.workLoop({
  idleMs: 10,
  claim: async () => { n++; console.log('claim'); await new Promise((r) => setTimeout(r, 20)); return n; },
  work: async (job) => { console.log('start ' + job); await new Promise((r) => setTimeout(r, 300)); console.log('done ' + job); },
});
`;
const count = (text: string, word: string): number => text.split(word).length - 1;

describe('roles through the control file', () => {
  test('a missing control file means standby; active starts the work; draining finishes it and only then says so', async ({
    expect,
    onTestFinished,
  }) => {
    const instance = startInstance(LOOP);
    onTestFinished(() => instance[Symbol.dispose]());
    await instance.until('ready in standby', () => instance.ack().ready === true);
    expect(instance.ack()).toMatchObject({ role: 'standby', inFlight: 0 });
    // Staying up without work is part of standby: longer than a whole poll of the control file.
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(instance.child.exitCode).toBeNull();
    expect(instance.output()).not.toContain('claim');

    instance.tell('active', 1);
    await instance.until('first job', () => instance.output().includes('start 1'));
    instance.tell('draining', 1);
    await instance.until('said draining', () => instance.ack().role === 'draining');
    const claims = count(instance.output(), 'claim');
    await instance.until('drained', () => instance.ack().inFlight === 0);
    expect(count(instance.output(), 'start')).toBe(count(instance.output(), 'done'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(count(instance.output(), 'claim'), 'claims after the answer').toBe(claims);

    instance.tell('active', 2);
    await instance.until('back to work', () => count(instance.output(), 'claim') > claims);
  });

  test('draining is not said while a claim is under way, and the job it finds counts', async ({
    expect,
    onTestFinished,
  }) => {
    const instance = startInstance(`
      let asked = false;
      await tow.workLoop({
        idleMs: 10,
        claim: async () => { if (asked) return undefined; asked = true; console.log('asking'); await new Promise((r) => setTimeout(r, 400)); return 'late'; },
        work: async () => { await new Promise((r) => setTimeout(r, 300)); console.log('worked'); },
      });`);
    onTestFinished(() => instance[Symbol.dispose]());
    instance.tell('active', 1);
    await instance.until('asking', () => instance.output().includes('asking'));
    instance.tell('draining', 1);
    await instance.until('said draining', () => instance.ack().role === 'draining');
    expect(instance.ack().inFlight).toBe(1);
    await instance.until('drained', () => instance.ack().inFlight === 0);
    expect(instance.output()).toContain('worked');
  });

  test('a role listener holds the answer until it is done', async ({ expect, onTestFinished }) => {
    const instance = startInstance(`
      setInterval(() => {}, 1000);
      tow.onRole(async (role) => { if (role === 'draining') { await new Promise((r) => setTimeout(r, 200)); console.log('queue stopped'); } });
      await tow.whenActive(); console.log('go'); tow.draining.addEventListener('abort', () => console.log('signal'));`);
    onTestFinished(() => instance[Symbol.dispose]());
    instance.tell('active', 1);
    await instance.until('active', () => instance.output().includes('go'));
    instance.tell('draining', 1);
    await instance.until('said draining', () => instance.ack().role === 'draining');
    expect(instance.output()).toMatch(/signal[^]*queue stopped/);
  });

  test('active is said before the first claim, and a listener hears of every turn', async ({
    expect,
    onTestFinished,
  }) => {
    const instance = startInstance(`
      const { readFileSync } = await import('node:fs');
      tow.onRole(async (role) => { await new Promise((r) => setTimeout(r, 300)); console.log('heard ' + role); });
      await tow.workLoop({ idleMs: 10, claim: async () => { console.log('claim while ' + readFileSync(process.env.TOWPATH_ACK_FILE)); return undefined; }, work: async () => {} });`);
    onTestFinished(() => instance[Symbol.dispose]());
    await instance.until('standby', () => instance.ack().role === 'standby');
    instance.tell('active', 1);
    await instance.until('claims', () => instance.output().includes('claim while'));
    expect(instance.output()).not.toContain('heard active');
    instance.tell('draining', 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    instance.tell('active', 2);
    await instance.until('settled', () => instance.output().includes('heard active'));
    instance.tell('draining', 2);
    await instance.until('draining', () => instance.ack().role === 'draining');
    expect(instance.output()).toMatch(/heard active[^]*heard draining/);
    expect(instance.output()).not.toMatch(/claim while .*"role":"(standby|draining)"/);
  });

  test('an older epoch is ignored and a broken file changes nothing', async ({ expect, onTestFinished }) => {
    const instance = startInstance(
      `tow.onRole((role) => { console.log('role ' + role); }); setInterval(() => {}, 1000);`,
    );
    onTestFinished(() => instance[Symbol.dispose]());
    instance.tell('active', 5);
    await instance.until('active', () => instance.ack().role === 'active');
    instance.tell('draining', 4);
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(instance.output()).not.toContain('role draining');
    instance.tell('draining', 5);
    await instance.until('draining', () => instance.ack().role === 'draining');
  });
});

describe('shutdown', () => {
  test('SIGTERM finishes the job in hand, runs the hooks, exits 0 and claims nothing more', async ({
    expect,
    onTestFinished,
  }) => {
    const instance = startInstance(LOOP);
    onTestFinished(() => instance[Symbol.dispose]());
    instance.tell('active', 1);
    await instance.until('first job', () => instance.output().includes('start 1'));
    instance.child.kill('SIGTERM');
    expect(await instance.ended).toBe(0);
    expect(instance.output()).toMatch(/done 1[^]*closed/);
    expect(count(instance.output(), 'start')).toBe(count(instance.output(), 'done'));
    expect(instance.ack()).toMatchObject({ role: 'draining', inFlight: 0 });
  });

  test('SIGTERM in standby ends at once', async ({ expect, onTestFinished }) => {
    const instance = startInstance(LOOP);
    onTestFinished(() => instance[Symbol.dispose]());
    await instance.until('ready', () => instance.ack().ready === true);
    instance.child.kill('SIGTERM');
    expect(await instance.ended).toBe(0);
    expect(instance.output()).not.toContain('claim');
  });

  test('past its deadline it names what hangs and exits 1', async ({ expect, onTestFinished }) => {
    const instance = startInstance(`
      tow.shutdown([{ name: 'the pool', close: () => new Promise(() => {}) }], { timeoutMs: 200 });
      setInterval(() => {}, 1000); console.log('up');`);
    onTestFinished(() => instance[Symbol.dispose]());
    await instance.until('up', () => instance.output().includes('up'));
    instance.child.kill('SIGTERM');
    expect(await instance.ended).toBe(1);
    expect(instance.output()).toContain('still waiting for the pool after 200 ms');
  });

  test('a web server under keep-alive load ends without cutting a response', async ({ expect, onTestFinished }) => {
    const instance = startInstance(`
      const { createServer } = await import('node:http');
      const server = createServer((_, res) => setTimeout(() => res.end('ok'), 200));
      server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
      tow.shutdown([{ name: 'http', close: () => closeServer(server, { timeoutMs: 2000 }) }]);`);
    onTestFinished(() => instance[Symbol.dispose]());
    await instance.until('listening', () => instance.output().includes('port '));
    const url = `http://127.0.0.1:${/port (\d+)/.exec(instance.output())?.[1] ?? ''}/`;
    const inFlight = Array.from({ length: 20 }, async () => {
      const response = await fetch(url);
      return { text: await response.text(), connection: response.headers.get('connection') };
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    instance.child.kill('SIGTERM');
    const answers = await Promise.all(inFlight);
    expect(answers.map((answer) => answer.text)).toEqual(Array.from({ length: 20 }, () => 'ok'));
    expect(await instance.ended).toBe(0);
  });
});

describe('without Towpath', () => {
  test('says so once, is active, and ends when its work does', async ({ expect, onTestFinished }) => {
    const instance = startInstance(
      `towpath(); await tow.whenActive(); console.log(tow.role(), tow.managed, tow.release, await tow.track(async () => 42), tow.tick());`,
      { TOWPATH_INSTANCE: '' },
    );
    onTestFinished(() => instance[Symbol.dispose]());
    expect(await instance.ended).toBe(0);
    expect(instance.output()).toContain('active false 7 42 undefined');
    expect(count(instance.output(), 'towpath sdk: not managed; role is always active')).toBe(1);
    expect(instance.ack()).toEqual({});
  });
});
