/** One JSON line on stdout. */
export function log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`);
}

export const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));
