// A worker that claims numbered jobs only while it is active, by the protocol of the sdk.
import { towpath } from './sdk/index.js';

const tow = towpath();
tow.ready();
const work = setInterval(() => {
  if (tow.role() === 'active') void tow.track(async () => {});
}, 50);
process.on('SIGTERM', () => {
  clearInterval(work);
  process.exit(0);
});
