export { CONFIG_FILE, loadConfig, type LoadedConfig, type LoadOptions } from './load.ts';
export { configJsonSchema, type SchemaNode } from './describe.ts';
export { referenceEntries, type ReferenceEntry } from './reference.ts';
export type { ConfigProblem } from './problems.ts';
export {
  ConfigSchema,
  type Config,
  type ConfigInput,
  type CronGroup,
  type EnvironmentConfig,
  type ProcessGroup,
  type WebGroup,
  type WorkerGroup,
} from './schema.ts';
