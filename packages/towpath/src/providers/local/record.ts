import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Scope } from '../../kernel/index.ts';
import { ensureDir, hasCode, writeAtomic } from '../../system/index.ts';
import { hasErrorCode } from '../errors.ts';
import { explainWriteError, type Places } from './places.ts';

const roleSchema = z.enum(['standby', 'active', 'draining']);

const recordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  token: z.string(),
  scope: z.object({ app: z.string(), environment: z.string() }),
  release: z.number(),
  group: z.string(),
  kind: z.enum(['web', 'worker', 'cron']),
  artifact: z.object({ digest: z.string(), location: z.string() }),
  command: z.tuple([z.string()], z.string()),
  memoryMb: z.number(),
  restart: z.enum(['always', 'on-failure', 'never']),
  stopTimeoutMs: z.number(),
  port: z.number().exactOptional(),
  createdAt: z.number(),
  wanted: z.enum(['running', 'stopped']),
  /** Set before each spawn and cleared after: when it is still set, look for the process by its mark. */
  launching: z.boolean(),
  /** The process as last known; gone once its end was noted. */
  process: z.object({ pid: z.number(), started: z.string() }).exactOptional(),
  restarts: z.number(),
  lastExit: z
    .object({
      code: z.number().exactOptional(),
      signal: z.string().exactOptional(),
      reason: z.enum(['exited', 'signalled', 'memory', 'requested', 'unseen']),
      at: z.number(),
    })
    .exactOptional(),
  /** Why it is not started again. */
  failed: z.string().exactOptional(),
});

/** What is kept of an instance, on disk. */
export type InstanceRecord = z.infer<typeof recordSchema>;

/** What we tell the app: its role. Replaced atomically. The app's sdk reads exactly this shape. */
export const controlSchema = z.object({ role: roleSchema, epoch: z.number(), at: z.number() });

/** What the app's sdk answers. */
export const ackSchema = z.object({
  role: roleSchema,
  inFlight: z.number(),
  at: z.number(),
  ready: z.boolean().exactOptional(),
});

export const envSchema = z.record(z.string(), z.string());

/** The parsed file; undefined when it is missing or holds something else (an app may write its own answer badly). */
export function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export interface Records {
  ids(scope: Scope): readonly string[];
  load(scope: Scope, id: string): InstanceRecord | undefined;
  /** @throws TowpathError `provider.disk_full` */
  save(record: InstanceRecord): Promise<void>;
  /**
   * As `save`, but when the disk is full the record is kept in memory until `flush` can write it: a
   * full disk must not keep us from stopping or restarting what we serve with.
   */
  saveOrKeep(record: InstanceRecord): Promise<void>;
  flush(): Promise<void>;
  forget(scope: Scope, id: string): Promise<void>;
  /** Folders that a controller left behind when it died while making or forgetting an instance. */
  leftovers(scope: Scope): readonly string[];
  /** Removes such a folder, unless it holds a record by now. */
  sweep(scope: Scope, name: string): Promise<void>;
}

export function createRecords(places: Places): Records {
  const unsaved = new Map<string, InstanceRecord>();
  const save = async (record: InstanceRecord): Promise<void> => {
    const { dir, record: file } = places.instance(record.scope, record.id);
    try {
      await ensureDir(dir);
      await writeAtomic(file, `${JSON.stringify(record)}\n`);
      unsaved.delete(record.id);
    } catch (error) {
      throw explainWriteError(error, dir);
    }
  };
  const saveOrKeep = async (record: InstanceRecord): Promise<void> => {
    try {
      await save(record);
    } catch (error) {
      if (!hasErrorCode(error, 'provider.disk_full')) throw error;
      unsaved.set(record.id, record);
    }
  };
  const folders = (scope: Scope): readonly string[] => {
    try {
      return readdirSync(places.instances(scope));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  };
  const hasRecord = (scope: Scope, name: string): boolean =>
    existsSync(path.join(places.instances(scope), name, 'record.json'));
  return {
    save,
    saveOrKeep,
    ids: (scope) => folders(scope).filter((name) => !name.startsWith('.')),
    leftovers: (scope) => folders(scope).filter((name) => name.startsWith('.') || !hasRecord(scope, name)),
    async sweep(scope, name) {
      if (!name.startsWith('.') && hasRecord(scope, name)) return;
      await rm(path.join(places.instances(scope), name), { recursive: true, force: true });
    },
    load: (scope, id) => unsaved.get(id) ?? readJson(places.instance(scope, id).record, recordSchema),
    async flush() {
      for (const record of unsaved.values()) await saveOrKeep(record);
    },
    async forget(scope, id) {
      unsaved.delete(id);
      const { dir } = places.instance(scope, id);
      // Renamed first, so that a crash leaves either all of it or nothing that is listed.
      const hidden = path.join(path.dirname(dir), `.gone-${id}`);
      try {
        await rename(dir, hidden);
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
      await rm(hidden, { recursive: true, force: true });
    },
  };
}
