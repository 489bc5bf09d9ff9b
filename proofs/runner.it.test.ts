import { execFile, spawn } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, test } from 'vitest';
import type { Proof } from './proof.ts';
import { runProof } from './runner.ts';

const dummy = (run: Proof['run']): Proof => ({
  name: 'dummy',
  promise: 'Nothing is lost.',
  bounds: [{ figure: 'lost', is: 'exactly', limit: 0, unit: 'requests' }],
  quick: true,
  minutes: { quick: 1, full: 1 },
  run,
});
const quietly = { quick: true, log: () => {} };

describe('a run', () => {
  test('holds when every figure meets its bound, and removes its folder', async ({ expect }) => {
    let folder = '';
    const proof = dummy(async ({ temporary }) => {
      folder = await temporary();
      return { figures: { lost: 0, sent: 100 }, notes: ['a note'] };
    });
    const { result } = await runProof(proof, quietly);
    expect(result).toMatchObject({
      proof: 'dummy',
      ok: true,
      failed: [],
      figures: { lost: 0, sent: 100 },
      notes: ['a note'],
    });
    await expect(access(folder)).rejects.toThrow('ENOENT');
  });

  test('fails on a missed bound and keeps its folder', async ({ expect, onTestFinished }) => {
    let folder = '';
    const proof = dummy(async ({ temporary }) => {
      folder = await temporary();
      return { figures: { lost: 2 } };
    });
    onTestFinished(() => rm(folder, { recursive: true }));
    const { result } = await runProof(proof, quietly);
    expect(result.failed).toEqual(['lost is 2; it must be exactly 0 requests']);
    await access(folder);
  });

  test('fails on a figure that was not measured', async ({ expect }) => {
    const { result } = await runProof(
      dummy(async () => ({ figures: { sent: 100 } })),
      quietly,
    );
    expect(result.failed).toEqual(['lost was not measured; it must be exactly 0 requests']);
  });

  test('fails on a throw', async ({ expect }) => {
    const proof = dummy(async () => {
      throw new Error('no database');
    });
    const { result, hung } = await runProof(proof, quietly);
    expect(result.failed[0]).toBe('no database');
    expect(hung).toBe(false);
  });

  test('fails at its deadline when the proof obeys the signal', async ({ expect }) => {
    const proof = dummy(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const { result, hung } = await runProof(proof, { ...quietly, withinMs: 50 });
    expect(result.failed[0]).toContain('did not end within');
    expect(hung).toBe(false);
  });

  test('fails at its deadline when the proof hangs', async ({ expect }) => {
    const run = await runProof(
      dummy(() => new Promise(() => {})),
      { ...quietly, withinMs: 50, graceMs: 50 },
    );
    expect(run.result.failed[0]).toContain('did not end within');
    expect(run.hung).toBe(true);
  });

  test('fails, and ends it, when a process is left behind', async ({ expect }) => {
    let pid = 0;
    const proof = dummy(async () => {
      const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
      child.unref();
      pid = child.pid ?? 0;
      return { figures: { lost: 0 } };
    });
    const { result } = await runProof(proof, quietly);
    expect(result.failed).toEqual([`left processes behind: ${pid} sleep 60 `]);
  });
});

describe('npm run prove', () => {
  const proof = (name: string, body: string): string => `
    import type { Proof } from '${pathToFileURL(path.join(import.meta.dirname, 'proof.ts')).href}';
    export const proof: Proof = { name: '${name}', promise: 'Nothing is lost.', quick: true, minutes: { full: 1 },
      bounds: [{ figure: 'lost', is: 'exactly', limit: 0, unit: 'requests' }], async run() { ${body} } };`;

  const prove = async (folder: string, ...argv: string[]): Promise<{ code: number; out: string; err: string }> =>
    await new Promise((resolve) => {
      const file = path.join(import.meta.dirname, 'prove.ts');
      execFile(process.execPath, [file, '--folder', folder, ...argv], (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      );
    });

  test('says what holds, what does not, and what there is', { timeout: 30_000 }, async ({ expect, onTestFinished }) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'towpath-proofs-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(path.join(folder, 'good.proof.ts'), proof('good', 'return { figures: { lost: 0 } };'));
    await writeFile(path.join(folder, 'bad.proof.ts'), proof('bad', 'return { figures: { lost: 1 } };'));

    const good = await prove(folder, 'good', '--quick');
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out.trim().split('\n').at(-1) ?? '')).toMatchObject({
      proof: 'good',
      quick: true,
      ok: true,
    });

    const bad = await prove(folder, 'bad');
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ ok: false, figures: { lost: 1 } });
    expect(bad.err).toContain('FAILED: lost is 1; it must be exactly 0 requests');

    expect((await prove(folder, '--all', '--quick')).code).toBe(1);

    const unknown = await prove(folder, 'goood');
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('did you mean "good"?');

    expect((await prove(folder, '--list')).out).toContain('lost exactly 0 requests');
  });

  test('refuses a proof without bounds', async ({ expect, onTestFinished }) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'towpath-proofs-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(
      path.join(folder, 'vain.proof.ts'),
      `export const proof = { name: 'vain', promise: '', bounds: [], run() {} };`,
    );
    const vain = await prove(folder, 'vain');
    expect(vain.code).toBe(2);
    expect(vain.err).toContain('vain.proof.ts must export');
  });
});
