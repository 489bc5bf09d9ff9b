// One run of a scheduled job: it leaves a line that says which tick it was.
import { appendFileSync } from 'node:fs';

if (process.env.TOY_TICKS) {
  appendFileSync(process.env.TOY_TICKS, `${process.env.TOWPATH_TICK} ${process.env.TOWPATH_RELEASE}\n`);
}
