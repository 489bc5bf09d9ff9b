import { sha256, TowpathError } from '../kernel/index.ts';
import type { Fact, LedgerEntry, Weight } from './model.ts';
import { buildRows, errorBody, type Rows } from './testing-rows.ts';

export { buildRows } from './testing-rows.ts';

const split = (from: number, to: number, weight: number): Weight[] => [
  ...(weight === 100 ? [] : [{ release: from, weight: 100 - weight }]),
  { release: to, weight },
];
const shift = (from: number, to: number, weight: number, because = 'stage'): Fact => ({
  kind: 'traffic.shifted',
  body: { weights: split(from, to, weight), because, ms: 4 },
});
const verdict = (
  stage: number,
  kind: 'healthy' | 'regressed' | 'insufficient' | 'unmeasurable',
  because: string,
  counts: readonly [number, number, number, number],
): Fact => ({
  kind: 'verdict',
  body: {
    stage: `${stage} %`,
    weight: stage,
    verdict: kind,
    because,
    input: {
      measurable: true,
      candidate: { release: 3, requests: counts[0], failures: counts[1], latency: [[120, counts[0]]] },
      baseline: { release: 2, requests: counts[2], failures: counts[3], latency: [[121, counts[2]]] },
    },
  },
});
const instance = (release: number, group: string, event: string, because = ''): Fact => ({
  kind: 'instance',
  body: { id: `i-${release}-${group}`, token: `r${release}.${group}.0`, release, group, event, because },
});
const census = (serving: number, differences: string[] = []): Fact => {
  const expected = [
    `release ${serving} web 0: running, in the router`,
    `release ${serving} actions 0: running, active`,
    `router: 100 % to release ${serving}`,
  ];
  return {
    kind: 'census',
    body: {
      equal: differences.length === 0,
      expected,
      found: [...expected, ...differences.map((line) => line.replace('not planned: ', ''))],
      differences,
    },
  };
};

function upTo(rows: Rows, to: number): Rows {
  return rows
    .begin(0)
    .effect(0, 'apply 0004_add_impact.sql')
    .wait(38)
    .add({
      kind: 'migration.applied',
      body: { name: '0004_add_impact.sql', sha256: sha256('0004_add_impact.sql'), ms: 38, attempts: 1 },
    })
    .step(0, 12, '1 of 1 migrations is in the schema history')
    .begin(1)
    .effect(1, `create r${to}.web.0`)
    .add(instance(to, 'web', 'created'))
    .effect(1, `create r${to}.actions.0`)
    .add(instance(to, 'actions', 'created'))
    .wait(900)
    .add(instance(to, 'web', 'ready'))
    .step(1, 1240, `4 of 4 instances of release ${to} are ready; 12 of 12 probes answered 200`);
}

/** A release that goes live. */
export function goodRollout(rollout = 7, from = 2, to = 3): readonly LedgerEntry[] {
  const rows = upTo(buildRows({ rollout, from, to }), to);
  let index = 2;
  for (const weight of [5, 25, 100]) {
    rows
      .begin(index)
      .effect(index, `send ${weight} % to release ${to}`)
      .add(shift(from, to, weight));
    rows.add(
      verdict(weight, 'insufficient', 'only 0 requests on the new release so far; 200 are needed', [0, 0, 0, 0]),
      'judge',
    );
    for (let second = 0; second < 10; second++) {
      rows.traffic(split(from, to, weight), {
        [to]: { rate: 4 * weight, slow: 0.97 },
        [from]: { rate: 400 - 4 * weight },
      });
    }
    rows.add(
      verdict(
        weight,
        'healthy',
        `0 of ${40 * weight} requests failed on the new release (0 %), 0 of ${4000 - 40 * weight} on the old one: no sign of more failures`,
        [40 * weight, 0, 4000 - 40 * weight, 0],
      ),
      'judge',
    );
    rows.step(index, 140, `the router sends ${weight} % to release ${to}`);
    index++;
  }
  rows
    .begin(5)
    .effect(5, `activate r${to}.actions.0`)
    .step(5, 620, `r${to}.actions.0 claims jobs; r${from}.actions.0 claims none and has 0 in hand`);
  rows.begin(6);
  for (let second = 0; second < 20; second++)
    rows.traffic(split(from, to, 100), { [to]: { rate: 400 }, [from]: { rate: 0 } });
  rows.step(6, 30, `release ${to} was healthy for 20 s`);
  rows
    .begin(7)
    .effect(7, `stop r${from}.web.0`)
    .add(instance(from, 'web', 'stopped', 'retired'))
    .step(7, 410, `no instance of release ${from} runs`);
  rows.begin(8).add(census(to)).step(8, 60, 'what runs equals the plan');
  return rows.finish('promoted', to, `release ${to} was healthy at every stage and through the bake`).entries;
}

/** A release that fails some requests under load and is taken back by itself. */
export function takenBack(
  rollout = 8,
  from = 2,
  to = 3,
  text: { readonly actor?: string; readonly ref?: string; readonly message?: string } = {},
): readonly LedgerEntry[] {
  const rows = upTo(buildRows({ rollout, from, to, ...text }), to);
  rows
    .begin(2)
    .effect(2, `send 5 % to release ${to}`)
    .add(shift(from, to, 5));
  rows.add(
    verdict(5, 'insufficient', 'only 0 requests on the new release so far; 200 are needed', [0, 0, 0, 0]),
    'judge',
  );
  for (let second = 0; second < 4; second++) {
    rows.traffic(split(from, to, 5), {
      [to]: { rate: 53, failed: 0.066 * (second + 1) * 0.5, slow: 1.6 },
      [from]: { rate: 1000 },
    });
  }
  const [own, old] = [rows.counted(to), rows.counted(from)];
  const percent = ((100 * own.failures) / own.requests).toFixed(1);
  const message =
    text.message ??
    `${own.failures} of ${own.requests} requests failed on the new release (${percent} %), 0 of ${old.requests} on the old one (0 %): more than 1 point worse`;
  const error = new TowpathError('rollout.regressed', message, {
    remedy: 'undo',
    hint: 'read the report, mend the cause, and deploy again with --resume-deploys',
  });
  rows.add(verdict(5, 'regressed', message, [own.requests, own.failures, old.requests, 0]), 'judge');
  rows.add({
    kind: 'step.failed',
    body: {
      index: 3,
      step: 'stage',
      title: `send 5 % of the requests to release ${to}, for at least 10.0s, until judged healthy`,
      direction: 'do',
      ms: 4080,
      error: errorBody(error),
    },
  });
  rows
    .begin(2, 0, 'undo')
    .effect(2, `send 0 % to release ${to}`)
    .wait(20)
    .add(shift(from, to, 0, 'taken back'))
    .step(2, 48, `the router sends 100 % to release ${from}`, 'undo');
  for (let second = 0; second < 3; second++)
    rows.traffic(split(from, to, 0), { [to]: { rate: 0 }, [from]: { rate: 1050 } });
  rows
    .begin(1, 0, 'undo')
    .effect(1, `stop r${to}.web.0`)
    .add(instance(to, 'web', 'stopped', 'taken back'))
    .step(1, 350, `no instance of release ${to} runs`, 'undo');
  rows.add(census(from));
  return rows.finish('rolled-back', from, message, error).entries;
}

/** A release that never becomes ready. */
export function neverReady(rollout = 9, from = 2, to = 4): readonly LedgerEntry[] {
  const rows = buildRows({ rollout, from, to, actor: 'ci:main' });
  rows.begin(0).step(0, 9, 'no migration is pending').begin(1).effect(1, `create r${to}.web.0`);
  for (let n = 1; n <= 3; n++)
    rows
      .wait(1500)
      .add(instance(to, 'web', 'exited', 'exit code 1 after 0.4 s'))
      .add(instance(to, 'web', 'restarted', `restart ${n} of 3`));
  rows.wait(900).add(instance(to, 'web', 'crash-loop', 'ended by itself 4 times within 10 s'));
  const error = new TowpathError(
    'start.not_ready',
    `r${to}.web.0 was not ready within 10.0s: GET /healthz answered 503`,
    { remedy: 'undo', hint: `see \`towpath logs --release ${to} --group web\`` },
  );
  rows.add({
    kind: 'step.failed',
    body: {
      index: 2,
      step: 'start',
      title: `start 4 instances of release ${to} beside release ${from}`,
      direction: 'do',
      ms: 10_012,
      error: errorBody(error),
    },
  });
  rows
    .begin(1, 0, 'undo')
    .effect(1, `destroy r${to}.web.0`)
    .step(1, 120, `no instance of release ${to} runs`, 'undo')
    .add(census(from));
  return rows.finish('rolled-back', from, error.message, error).entries;
}

/** A rollout whose controller is killed in the middle and replaced. */
export function crashResumed(rollout = 10, from = 3, to = 5): readonly LedgerEntry[] {
  const rows = upTo(buildRows({ rollout, from, to, stages: [100] }), to);
  rows.begin(2).effect(2, `send 100 % to release ${to}`).wait(3200);
  rows
    .add({ kind: 'control.started', body: { pid: 4242, version: '0.1.0' } })
    .add({ kind: 'lease.taken', body: { epoch: rollout * 2 + 1, holder: 'controller-2' } });
  rows
    .begin(2, 1)
    .effect(2, `send 100 % to release ${to}`)
    .add(shift(from, to, 100));
  for (let second = 0; second < 6; second++) rows.traffic(split(from, to, 100), { [to]: { rate: 300 } });
  rows.add(verdict(100, 'unmeasurable', 'the router did not answer for 2.0 s', [0, 0, 0, 0]), 'judge').wait(2000);
  rows.add(
    verdict(
      100,
      'healthy',
      '1 of 1,800 requests failed on the new release (0.06 %): no sign of more failures',
      [1800, 1, 0, 0],
    ),
    'judge',
  );
  rows
    .step(2, 6100, `the router sends 100 % to release ${to}`)
    .begin(3)
    .step(3, 500, 'the new workers claim jobs')
    .begin(4)
    .step(4, 20, 'baked')
    .begin(5)
    .step(5, 300, 'retired');
  rows.begin(6).add(census(to)).step(6, 40, 'what runs equals the plan');
  return rows.finish('promoted', to, `release ${to} was healthy at every stage`).entries;
}
