import { z } from 'zod';
import { ConfigSchema } from './schema.ts';

/** The part of JSON Schema that our schema makes use of. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
}

/** JSON Schema (draft 2020-12) of what a user writes. */
export function configJsonSchema(): SchemaNode {
  return JSON.parse(
    JSON.stringify(z.toJSONSchema(ConfigSchema, { io: 'input', reused: 'inline', unrepresentable: 'any' })),
  );
}

const branches = (node: SchemaNode): readonly SchemaNode[] => node.anyOf ?? node.oneOf ?? [];

const memberOf = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;

/** The branch of a union that a value is meant as: by `kind`, else the object one. */
function branchFor(node: SchemaNode, value: unknown): SchemaNode {
  const kind = memberOf(value, 'kind');
  return (
    branches(node).find((branch) => branch.properties?.['kind']?.const === kind && kind !== undefined) ??
    branches(node).find((branch) => branch.properties !== undefined) ??
    node
  );
}

/** The keys that may stand at a path of this config. */
export function knownKeys(root: SchemaNode, path: readonly PropertyKey[], config: unknown): readonly string[] {
  let node = branchFor(root, config);
  let value = config;
  for (const part of path) {
    value = memberOf(value, part);
    const next =
      typeof part === 'number' || node.items !== undefined
        ? node.items
        : (node.properties?.[String(part)] ??
          (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined));
    if (next === undefined) return [];
    node = branchFor(next, value);
  }
  return Object.keys(node.properties ?? {});
}
