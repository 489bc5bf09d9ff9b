import type { SchemaNode } from '../../packages/towpath/src/config/index.ts';

const branches = (node: SchemaNode): readonly SchemaNode[] => node.anyOf ?? node.oneOf ?? [];

/** A JSON schema as a TypeScript type, which is how our readers think of shapes. */
function typeOf(node: SchemaNode, indent: string): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return node.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (branches(node).length > 0)
    return branches(node)
      .map((branch) => typeOf(branch, indent))
      .join(' | ');
  if (node.type === 'array') {
    const item = typeOf(node.items ?? {}, indent);
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`;
  }
  if (node.type === 'object' && node.properties !== undefined) {
    const members = Object.entries(node.properties).map(([name, member]) => {
      const optional = (node.required ?? []).includes(name) ? '' : '?';
      return `${indent}  ${name}${optional}: ${typeOf(member, `${indent}  `)};`;
    });
    return `{\n${members.join('\n')}\n${indent}}`;
  }
  if (node.type === 'object') {
    const value = typeof node.additionalProperties === 'object' ? typeOf(node.additionalProperties, indent) : 'unknown';
    return `Record<string, ${value}>`;
  }
  if (node.type === 'integer') return 'number';
  return node.type ?? 'unknown';
}

export const shapes = {
  render: (name: string, node: SchemaNode): string => `type ${name} = ${typeOf(node, '')};`,
  cli: `\`\`\`ts
type Up = { started: string[]; running: string[]; rollout: number | null; status: Status };
type Down = { stopped: string[] };
type Discovery = {
  dir: string;
  found: { where: string; what: string; usedFor: string }[];
  unknown: { what: string; assumed: string; blocking: boolean }[];
  config: string;
  wrote: string[];
  next: string;
};
type ConfigCheck = { ok: true; file: string; hash: string; config: object };
type ConfigReference = {
  entries: { path: string; kind: string; type: string; required: boolean; default: string; description: string }[];
};
type Releases = { environments: { environment: string; releases: ReleaseView[] }[] };
type Report = { rollout: number; markdown: string; html: string };
type Evidence = { entries: LedgerEntry[] };
type Completions = { shell: string; script: string };
type Help = { version: string; commands: object[]; options: object } | object;
/** The last line of a watched rollout when Ctrl-C ended the watching; the rollout goes on. */
type StoppedWatching = { stoppedWatching: true; rollout: number };
/** \`details\` of the error config.invalid. */
type ConfigInvalid = {
  problems: { path: string; file: string; line: number; column: number; message: string; suggestion: string }[];
};
\`\`\``,
};
