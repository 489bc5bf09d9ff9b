import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../parts.ts';

interface Architecture {
  readonly layers: readonly (readonly string[])[];
  readonly modules: Readonly<Record<string, string>>;
}

const BEGIN = '<!-- from architecture.json, by `npm run gen`: begin -->';
const END = '<!-- end -->';

/** ARCHITECTURE.md with its diagram renewed; the text around it is written by hand. */
export async function architecturePage(): Promise<string> {
  const page = await readFile(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`ARCHITECTURE.md has lost its marks "${BEGIN}" and "${END}"`);
  const architecture: unknown = JSON.parse(await readFile(path.join(ROOT, 'architecture.json'), 'utf8'));
  if (!isArchitecture(architecture)) throw new Error('architecture.json must hold layers and modules');
  return `${page.slice(0, before)}${BEGIN}\n\n${diagram(architecture)}\n\n${page.slice(after)}`;
}

const isArchitecture = (value: unknown): value is Architecture =>
  typeof value === 'object' && value !== null && 'layers' in value && Array.isArray(value.layers) && 'modules' in value;

/** The layers, highest first; arrows point the way that imports point. */
function diagram({ layers, modules }: Architecture): string {
  const width = Math.max(...layers.flat().map((name) => name.length));
  const blocks = layers.toReversed().map((names) => {
    const lines = names.map((name) => `| ${name.padEnd(width)}  ${modules[name] ?? ''}`);
    return lines.join('\n');
  });
  const longest = Math.max(
    ...blocks
      .join('\n')
      .split('\n')
      .map((line) => line.length),
  );
  const rule = `+${'-'.repeat(longest)}+`;
  const boxed = blocks.map((block) => {
    const lines = block.split('\n').map((line) => `${line.padEnd(longest)} |`);
    return [rule, ...lines, rule].join('\n');
  });
  const arrow = `${' '.repeat(Math.floor(width / 2))}|\n${' '.repeat(Math.floor(width / 2))}v`;
  return ['```', boxed.join(`\n${arrow}\n`), '```'].join('\n');
}
