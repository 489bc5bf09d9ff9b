/** Reads fields of ledger bodies, which cross the wire as plain JSON, without casts and without zod. */

export const field = (body: unknown, key: string): unknown =>
  typeof body === 'object' && body !== null ? Reflect.get(body, key) : undefined;

export function textOf(body: unknown, key: string): string {
  const value = field(body, key);
  return typeof value === 'string' ? value : '';
}

export function numberOf(body: unknown, key: string): number | undefined {
  const value = field(body, key);
  return typeof value === 'number' ? value : undefined;
}

export function listOf(body: unknown, key: string): readonly unknown[] {
  const value = field(body, key);
  return Array.isArray(value) ? value : [];
}
