/**
 * The router's working process: `node worker.ts <dir>`, started by guardian.ts with the listening
 * sockets as fd 3 (public) and 4 (admin). It loads no zod and no pg.
 */
import { randomBytes } from 'node:crypto';
import { setPriority } from 'node:os';
import { TowpathError } from '../../kernel/index.ts';
import { createAdminServer } from './admin.ts';
import { openFlightRecorder } from './flight.ts';
import { createPlane } from './plane.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';

const BACKLOG = 4096;
/** ms that a clean stop waits for requests in flight */
const STOP_MS = 10_000;

const [, , dir = '.'] = process.argv;
try {
  // Before the instances, when the machine is busy: everything goes through the router.
  setPriority(-5);
} catch {
  // Only root may; it works without.
}

const loaded = await readSnapshot(dir);
if (loaded === undefined) throw new Error(`no snapshot in ${dir}: start the router by ensureRouter`);
let snapshot = loaded;

const boot = randomBytes(5).toString('hex');
const startedAt = Math.round(performance.timeOrigin);
const recorder = openFlightRecorder(dir, () => plane.core.inFlight());
const plane = createPlane({
  key: snapshot.key,
  settings: snapshot.settings,
  table: snapshot.table,
  boot,
  onClaim: recorder.note,
});
plane.checkTargets();

/** One change at a time, so that the disk and the memory see them in the same order. */
let changes: Promise<unknown> = Promise.resolve();
const admin = createAdminServer({
  state: () => ({
    ...plane.core.read(),
    boot,
    pid: process.pid,
    startedAt,
    epoch: snapshot.epoch,
    lostAtRestart: recorder.lost,
  }),
  apply(table, epoch) {
    const change = changes.then(async () => {
      if (epoch < snapshot.epoch) {
        throw new TowpathError(
          'lease.fenced',
          `epoch ${epoch} is older than ${snapshot.epoch}, which this router has seen`,
          {
            remedy: 'halt',
            hint: 'another controller has taken over; this one must stop changing things',
            details: { epoch, seen: snapshot.epoch },
          },
        );
      }
      const next = { ...snapshot, table, epoch };
      await writeSnapshot(dir, next);
      snapshot = next;
      plane.core.apply(table);
    });
    changes = change.catch(() => {});
    return change;
  },
});

plane.server.listen({ fd: 3, backlog: BACKLOG });
admin.listen({ fd: 4 });

let stopping = false;
process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  admin.close();
  plane.server.close();
  plane.server.closeIdleConnections();
  const deadline = performance.now() + STOP_MS;
  const look = setInterval(() => {
    if (plane.core.inFlight() > 0 && performance.now() < deadline) return;
    clearInterval(look);
    recorder.land();
    // A moment for the last answers to leave the process.
    setTimeout(() => process.exit(0), 20);
  }, 10);
});
// The guardian is gone, and with it whoever would start this process again: do not linger unseen.
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', (error) => {
  process.stderr.write(`router: ${error.stack ?? error.message}\n`);
  process.exit(1);
});
