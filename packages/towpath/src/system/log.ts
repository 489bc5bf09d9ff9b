import { asTowpathError } from '../kernel/index.ts';

/** One JSON object a line on the given stream. ERROR lines are 0 in a healthy control plane. */
export interface Log {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void;
}

export function createLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    write(`${JSON.stringify({ at: new Date(now()).toISOString(), level, event, ...fields })}\n`);
  return {
    info: (event, fields) => line('info', event, fields),
    warn: (event, fields) => line('warn', event, fields),
    error: (event, error, fields) => {
      const known = asTowpathError(error);
      line('error', event, { ...fields, error: known.toJSON(), stack: known.stack });
    },
  };
}
