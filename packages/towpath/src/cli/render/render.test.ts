import type { LedgerEntry } from '@towpath/wire';
import { test } from 'vitest';
import { createPaint } from '../terminal.ts';
import { NOW, ROLLED_BACK, STATUS, UNDER_WAY } from '../testing.ts';
import { createLiveRegion } from './live.ts';
import { plainLine } from './plain.ts';
import { addEntry, emptyRollout } from './rollout-state.ts';
import { renderStatus } from './status.ts';
import { widthOf } from './text.ts';
import { renderTimeline, trafficBar } from './timeline.ts';

const plain = createPaint(false);
const stateOf = (entries: readonly LedgerEntry[]) => entries.reduce(addEntry, emptyRollout);
const at = (seconds: number): number => Date.parse('2026-03-01T10:00:00.000Z') + seconds * 1000;
const draw = (entries: readonly LedgerEntry[], columns: number, seconds: number): string =>
  `\n${renderTimeline(stateOf(entries), { columns, now: at(seconds), paint: plain }).join('\n')}\n`;

test('a rollout under way, 100 columns', ({ expect }) => {
  expect(draw(UNDER_WAY, 100, 9.4)).toMatchInlineSnapshot(`
    "
      growth · production · release 12 → 13                                               rollout 7 · 9s

      ✓ Run 1 migration                                                                            480ms
      ✓ Start 2 web instances of release 13                                                         3.6s
      ● Send 5 % to release 13                                                                        5s
      · Send 100 % to release 13

      traffic   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░██  r12 95 %  r13 5 %
      r12           4,750 requests   0 failed   p99 9.4 ms
      r13             250 requests   0 failed   p99 12 ms
      verdict   insufficient: 30 of the 50 requests that a verdict needs
    "
  `);
});

test('a rollout that was taken back, 100 columns', ({ expect }) => {
  expect(draw(ROLLED_BACK, 100, 60)).toMatchInlineSnapshot(`
    "
      growth · production · release 12 → 13                                              rollout 7 · 11s

      ✓ Run 1 migration                                                                            480ms
      ↩ undo Start 2 web instances of release 13                                                   800ms
      ↩ undo Send 5 % to release 13                                                                160ms
      · Send 100 % to release 13

      traffic   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  r12 100 %
      r12           5,100 requests   0 failed   p99 9.4 ms
      r13             250 requests   13 failed   p99 12 ms

      ↩ rolled back: release 12 serves after 11.1s
        13 of 250 requests to release 13 failed (5.2 %), 0 of 4,750 to release 12
        5,350 requests, 13 failed
    "
  `);
});

test('the same in 60 columns', ({ expect }) => {
  expect(draw(ROLLED_BACK, 60, 60)).toMatchInlineSnapshot(`
    "
      growth · production · release 12 → 13      rollout 7 · 11s

      ✓ Run 1 migration                                    480ms
      ↩ undo Start 2 web instances of release 13           800ms
      ↩ undo Send 5 % to release 13                        160ms
      · Send 100 % to release 13

      traffic   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  r12 100 %
      r12           5,100 requests   0 failed   p99 9.4 ms
      r13             250 requests   13 failed   p99 12 ms

      ↩ rolled back: release 12 serves after 11.1s
        13 of 250 requests to release 13 failed (5.2 %), 0 of
        4,750 to release 12
        5,350 requests, 13 failed
    "
  `);
});

test('before there are steps, the build is shown', ({ expect }) => {
  const lines = renderTimeline(
    { ...emptyRollout, building: 'npm ci: added 212 packages' },
    { columns: 60, now: NOW, paint: plain },
  );
  expect(lines.at(-1)).toBe('  ● building  npm ci: added 212 packages');
});

test.for([40, 60, 80, 100])(
  'no line is wider than %d columns, at any moment, with or without colours',
  (columns, { expect }) => {
    for (const paint of [plain, createPaint(true)]) {
      for (let i = 0; i <= ROLLED_BACK.length; i++) {
        const lines = renderTimeline(stateOf(ROLLED_BACK.slice(0, i)), { columns, now: at(20), paint });
        for (const line of lines) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
      }
    }
  },
);

test('requests of several samples add up', ({ expect }) => {
  const twice = [...UNDER_WAY, ...UNDER_WAY.filter((entry) => entry.kind === 'traffic.sampled')];
  expect(stateOf(twice).traffic).toEqual([
    { release: 12, requests: 9500, failures: 0, p99Us: 9400 },
    { release: 13, requests: 500, failures: 0, p99Us: 12_300 },
  ]);
});

test.for([
  [[1, 99], 20],
  [[50, 50], 21],
  [[99.9, 0.1], 50],
  [[33, 33, 34], 10],
] as const)('the bar of %j is %d cells, and every share above 0 is seen', ([weights, width], { expect }) => {
  const bar = trafficBar(
    weights.map((weight, release) => ({ release, weight })),
    0,
    width,
    plain,
  );
  expect(bar).toHaveLength(width);
  expect(bar).toContain('█');
  expect(bar).toContain('░');
});

test('plain lines, one for each event that a person wants', ({ expect }) => {
  const lines = ROLLED_BACK.map(plainLine).filter((line) => line !== undefined);
  expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    10:00:00  ● rollout 7 of release 13 over release 12
    10:00:00  ● Run 1 migration
    10:00:00    migration 002_add.sql  210ms
    10:00:00  ✓ Run 1 migration  480ms  (2 of 2 migrations are in the database)
    10:00:00  ● Start 2 web instances of release 13
    10:00:04  ✓ Start 2 web instances of release 13  3.6s  (2 instances are ready)
    10:00:04  ● Send 5 % to release 13
    10:00:04    traffic r12 95 %, r13 5 %
    10:00:09    insufficient: 30 of the 50 requests that a verdict needs
    10:00:10    regressed: 13 of 250 requests to release 13 failed (5.2 %), 0 of 4,750 to release 12
    10:00:10  ✗ Send 5 % to release 13  5.8s: release 13 is regressed at 5 % (release.regressed)
    10:00:10  ● undo Send 5 % to release 13
    10:00:10    traffic r12 100 %, r13 0 %
    10:00:10  ✓ undo Send 5 % to release 13  160ms  (release 12 gets 100 %)
    10:00:10  ● undo Start 2 web instances of release 13
    10:00:11  ✓ undo Start 2 web instances of release 13  800ms  (no instance of release 13 runs)
    10:00:11  ↩ rolled-back  11.1s: 13 of 250 requests to release 13 failed (5.2 %), 0 of 4,750 to release 12
    "
  `);
});

test('the status at a glance', ({ expect }) => {
  const lines = renderStatus(STATUS, { columns: 100, now: NOW, paint: plain });
  expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
    "
      growth                                                     control plane 1.2.3, pid 4711, up 1h 2m

      local                                                                        http://127.0.0.1:8080
      serving   release 12
      traffic   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░████████████  r12 75 %  r13 25 %
      rollout   7: release 12 → 13, for 1m 0s, by user:ann, running: stage 5 %
      router    2 requests were lost when it was killed

      release  group     instance  state    role    port   note
      r12      web       i-1       running  active  40001
      r13      web       i-2       running  active  40002  unhealthy, 2 restarts, exit 1
      r12      executor  i-3       running  active

      → towpath logs -f
    "
  `);
  for (const columns of [60, 80]) {
    for (const line of renderStatus(STATUS, { columns, now: NOW, paint: plain }))
      expect(widthOf(line), line).toBeLessThanOrEqual(Math.max(columns, 76));
  }
});

test('paused deploys are told with the way on', ({ expect }) => {
  const [environment] = STATUS.environments;
  const paused = {
    ...STATUS,
    environments:
      environment === undefined ? [] : [{ ...environment, rollout: null, deploysPaused: 'release 13 regressed' }],
  };
  const text = renderStatus(paused, { columns: 80, now: NOW, paint: plain }).join('\n');
  expect(text).toContain('! deploys are paused: release 13 regressed');
  expect(text).toContain('`towpath resume` allows them again');
  expect(text).toContain('→ towpath report');
});

test('what is in the way is told with what to do', ({ expect }) => {
  const [environment] = STATUS.environments;
  const trouble = {
    code: 'router.port_taken',
    message: 'port 8080 on 127.0.0.1 is taken by process 4711 (node other.js)',
    hint: 'stop it, and the router takes the port by itself',
    remedy: 'fix-input' as const,
    id: 'a1b2c3d4',
  };
  const inTheWay = {
    ...STATUS,
    environments: environment === undefined ? [] : [{ ...environment, rollout: null, trouble: [trouble] }],
  };
  const text = renderStatus(inTheWay, { columns: 80, now: NOW, paint: plain }).join('\n');
  expect(text).toContain(`! ${trouble.message}`);
  expect(text).toContain(trouble.hint);
});

test('the live region writes only lines that differ, and shrinks', ({ expect }) => {
  const written: string[] = [];
  const region = createLiveRegion({ write: (text) => written.push(text), isTTY: true, columns: 80, rows: 24 });
  region.draw(['a', 'b', 'c']);
  region.draw(['a', 'b', 'c']);
  region.draw(['a', 'x']);
  region.close();
  expect(written).toEqual([
    '\u001B[?25l',
    '\u001B[?2026ha\u001B[K\nb\u001B[K\nc\u001B[K\n\u001B[?2026l',
    '\u001B[?2026h\u001B[3F\nx\u001B[K\n\u001B[J\u001B[?2026l',
    '\u001B[?25h',
  ]);
});
