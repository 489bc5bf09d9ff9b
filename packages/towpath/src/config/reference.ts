import type { SchemaNode } from './describe.ts';

/** One key that can stand in a config. */
export interface ReferenceEntry {
  /** `processes.<name>.readiness.path` */
  readonly path: string;
  /** For process groups: of which kind. */
  readonly kind: string;
  readonly type: string;
  readonly required: boolean;
  /** As it is written in a config; '' when there is none. */
  readonly default: string;
  readonly description: string;
}

const branchesOf = (node: SchemaNode): readonly SchemaNode[] => node.anyOf ?? node.oneOf ?? [];

function typeOf(node: SchemaNode): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return node.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (branchesOf(node).length > 0) return [...new Set(branchesOf(node).map(typeOf))].join(' | ');
  if (node.type === 'array') return node.items === undefined ? 'list' : `list of ${typeOf(node.items)}`;
  if (node.type === 'integer' || node.type === 'number') {
    const { minimum, maximum } = node;
    const shown = maximum !== undefined && maximum < 1e9 && minimum !== undefined ? ` ${minimum} to ${maximum}` : '';
    return `${node.type === 'integer' ? 'whole number' : 'number'}${shown}`;
  }
  if (node.type === 'object') {
    const members = node.additionalProperties;
    if (node.properties !== undefined || typeof members !== 'object') return 'object';
    return `names to ${members.type === 'string' ? 'texts' : 'objects'}`;
  }
  return node.type === 'string' ? 'text' : (node.type ?? 'anything');
}

const constantOf = (node: SchemaNode | undefined): string => (typeof node?.const === 'string' ? node.const : '');

/** Every key of a schema, in its order, with objects before their members. Pure. */
export function referenceEntries(node: SchemaNode, at = '', kind = ''): readonly ReferenceEntry[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, member]) => {
    const path = at === '' ? name : `${at}.${name}`;
    const text = member.default === undefined ? '' : JSON.stringify(member.default);
    const entry: ReferenceEntry = {
      path,
      kind,
      type: typeOf(member),
      required: (node.required ?? []).includes(name),
      default: text === '""' || text === '{}' ? '' : text,
      description: member.description ?? '',
    };
    const named = typeof member.additionalProperties === 'object' ? member.additionalProperties : undefined;
    const under =
      named === undefined ? [] : branchesOf(named).filter((branch) => branch.properties?.['kind'] !== undefined);
    if (under.length > 0) {
      return [
        entry,
        ...under.flatMap((branch) =>
          referenceEntries(branch, `${path}.<name>`, constantOf(branch.properties?.['kind'])),
        ),
      ];
    }
    return [
      entry,
      ...(named === undefined ? [] : referenceEntries(named, `${path}.<name>`, kind)),
      ...referenceEntries(member, path, kind),
    ];
  });
}
