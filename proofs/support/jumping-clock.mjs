// Loaded before the control plane alone: its wall clock is off by the milliseconds that a file says.
import { readFileSync } from 'node:fs';

const file = process.env.TOWPATH_PROOF_CLOCK;
if (file !== undefined && process.argv.includes('serve')) {
  const RealDate = Date;
  let offset = 0;
  const read = () => {
    try {
      offset = Number(readFileSync(file, 'utf8'));
    } catch {
      // Not written yet.
    }
  };
  read();
  setInterval(read, 20).unref();
  globalThis.Date = class Date extends RealDate {
    constructor(...given) {
      if (given.length === 0) super(RealDate.now() + offset);
      else super(...given);
    }
    static now() {
      return RealDate.now() + offset;
    }
  };
}
