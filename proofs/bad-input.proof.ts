import path from 'node:path';
import type { Proof } from './proof.ts';
import { leads, wrongAfterwards, wrongAtLast, type Bench, type Case } from './support/bad-input/bench.ts';
import { DISK_CASES, mountSmall } from './support/bad-input/disk.ts';
import { MACHINE_CASES } from './support/bad-input/machine.ts';
import { RELEASE_CASES } from './support/bad-input/releases.ts';
import { startPinging } from './support/pinger.ts';
import { openProject, writeToy } from './support/project.ts';

const GROUPS: readonly (readonly Case[])[] = [RELEASE_CASES, DISK_CASES, MACHINE_CASES];

export const proof: Proof = {
  name: 'bad-input',
  promise:
    'Whatever is wrong with config, build, ports, disk, databases, migrations, instances or the clock is said with a code and with what to do; the old release serves on without a lost request, nothing is left over, and the next deploy goes through.',
  bounds: [
    { figure: 'cases', is: 'at least', limit: 17, unit: 'cases' },
    { figure: 'cases_wrong', is: 'exactly', limit: 0, unit: 'cases' },
    { figure: 'requests_failed', is: 'exactly', limit: 0, unit: 'requests' },
  ],
  quick: true,
  minutes: { quick: 6, full: 12 },
  async run({ quick, signal, log, temporary }) {
    const dir = await temporary();
    const project = openProject(dir);
    const bench: Bench = {
      project,
      source: path.join(await temporary(), 'app'),
      quick,
      signal,
      serving: 1,
      version: 1,
      temporary,
    };
    const figures = { cases: 0, cases_wrong: 0, requests_sent: 0, requests_failed: 0 };
    const notes: string[] = [];
    const unmount = await mountSmall(dir);
    try {
      await writeToy(dir, { behaviour: { version: 'v1' } });
      await project.startControl();
      await leads(project, signal);
      const first = await project.ended((await project.begin()).id, 60_000);
      if (first.status !== 'promoted') throw new Error(`the first release is ${first.status}: ${first.because}`);
      bench.serving = first.to;
      const pinging = startPinging((await project.here()).url ?? '', 40);
      try {
        for (const group of GROUPS) {
          const cases = group.filter(({ fullOnly }) => !(quick && fullOnly));
          for (const [i, one] of cases.entries()) {
            signal.throwIfAborted();
            const started = performance.now();
            // The full form deploys after every case, the quick one after the last of each kind.
            const wrong = await judged(bench, one, pinging, !quick || i === cases.length - 1);
            figures.cases++;
            if (wrong.length > 0) figures.cases_wrong++;
            notes.push(...wrong.map((line) => `${one.name}: ${line}`));
            log(`${one.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
            for (const line of wrong) log(`  ! ${line}`);
          }
        }
        const evidence = await project.cli(['evidence', 'verify', '--json']);
        if (evidence.code !== 0) {
          figures.cases_wrong++;
          notes.push(`the ledger is not intact afterwards: ${evidence.stdout}`);
        }
      } finally {
        const pinged = await pinging.stop();
        figures.requests_sent = pinged.sent;
        figures.requests_failed = pinged.failed;
        notes.push(...pinged.failures);
      }
    } finally {
      try {
        await project.down();
      } finally {
        await unmount();
      }
    }
    return { figures, notes };
  },
};

/** Runs a case with the old release under requests, and looks at the world after it. */
async function judged(
  bench: Bench,
  one: Case,
  pinging: ReturnType<typeof startPinging>,
  deployAfterwards: boolean,
): Promise<readonly string[]> {
  const before = pinging.look();
  const served = bench.serving;
  const wrong = [
    ...(await one
      .run(bench)
      .catch((error: unknown) => [error instanceof Error ? (error.stack ?? error.message) : String(error)])),
  ];
  bench.signal.throwIfAborted();
  const after = pinging.look();
  if (after.failed > before.failed) wrong.push(`${after.failed - before.failed} requests failed`);
  for (const [release, count] of Object.entries(after.byRelease)) {
    const more = count - (before.byRelease[release] ?? 0);
    if (one.shifts !== true && release !== String(served) && more > 0) {
      wrong.push(`release ${release} answered ${more} requests`);
    }
  }
  if ((after.byRelease[String(served)] ?? 0) === (before.byRelease[String(served)] ?? 0)) {
    wrong.push(`release ${served} answered nothing`);
  }
  wrong.push(...(await wrongAtLast(bench)));
  if (deployAfterwards) wrong.push(...(await wrongAfterwards(bench)));
  return wrong;
}
