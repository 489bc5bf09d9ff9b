import { openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';

export interface FlightRecorder {
  /** Requests in flight when earlier processes of this router were killed, summed up. */
  readonly lost: number;
  /** Call whenever a request begins. */
  readonly note: () => void;
  /** Nothing is in flight any more: a clean end. */
  readonly land: () => void;
}

/**
 * Writes the number of requests in flight to 16 bytes in the page cache, which outlive a SIGKILL.
 * Resolution: at most `everyMs` old, so a request that began or ended within that time before the
 * kill may be missed or counted too much. Costs nothing while nothing is in flight.
 */
export function openFlightRecorder(dir: string, inFlight: () => number, everyMs = 50): FlightRecorder {
  const fd = openSync(path.join(dir, 'in-flight'), 'a+', 0o600);
  const fdWrite = openSync(path.join(dir, 'in-flight'), 'r+', 0o600);
  const cell = new Float64Array(2);
  const bytes = new Uint8Array(cell.buffer);
  readSync(fd, bytes, 0, 16, 0);
  const lost = (cell[1] ?? 0) + (cell[0] ?? 0);
  let last = -1;
  const write = (count: number): void => {
    if (count === last) return;
    last = count;
    cell[0] = count;
    cell[1] = lost;
    writeSync(fdWrite, bytes, 0, 16, 0);
  };
  write(0);
  let armed = false;
  const tick = (): void => {
    const count = inFlight();
    write(count);
    armed = count > 0;
    if (armed) setTimeout(tick, everyMs).unref();
  };
  return {
    lost,
    note() {
      if (armed) return;
      armed = true;
      setTimeout(tick, everyMs).unref();
    },
    land: () => write(0),
  };
}
