export { defineConfig } from './define.ts';
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
