import type { ConfigInput } from './schema.ts';

/** Types a `towpath.config.ts`; returns its argument. Loads nothing. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}
