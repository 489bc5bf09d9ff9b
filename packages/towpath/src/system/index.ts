export { sleep, until, type UntilOptions } from './wait.ts';
export { writeAtomic, readText, ensureDir, hasCode, listNames } from './files.ts';
export { findUp, kindOf, listFolder } from './tree.ts';
export { unixRequest, type UnixAnswer, type UnixRequest } from './unix-http.ts';
export { run, type Command, type Executed } from './exec.ts';
export { identify, isAlive, signalProcess, type ProcessIdentity } from './process.ts';
export { probe } from './http.ts';
export { listenerOn } from './listener.ts';
export { systemClock, type Clock } from './clock.ts';
export { createLog, type Log } from './log.ts';
export {
  openDatabase,
  sql,
  fragment,
  safeUrl,
  type Database,
  type Queryable,
  type Row,
  type Session,
  type Statement,
} from './postgres.ts';
export { withFileLock } from './file-lock.ts';
export {
  ensureDatabase,
  ensureEmbeddedPostgres,
  removeEmbeddedPostgres,
  stopEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.ts';
export { migrateOwnSchema, ownSqlDir } from './schema.ts';
export { freePort } from './embedded-postgres-start.ts';
