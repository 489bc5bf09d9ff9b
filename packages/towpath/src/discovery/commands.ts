import type { Notes } from './findings.ts';
import type { PackageJson, Sources } from './sources.ts';

const RUN_SCRIPT = /^(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:--silent\s+)?([\w:.-]+)\s*$/;
/** Work that belongs before a release starts, not into each of its instances. */
const SETUP =
  /\b(prisma\s+(migrate|db|generate)|drizzle-kit|supabase\s+(db|migration)|knex\s+migrate|node-pg-migrate|typeorm\s+migration|migrate(:deploy|:up|:latest)?$)/;

const scriptOf = (command: string, scripts: PackageJson['scripts']): string | undefined => {
  const name = RUN_SCRIPT.exec(command)?.[1];
  return name === undefined ? undefined : scripts[name];
};

/** Whether a command, or the script it runs, does nothing but setup. */
function isSetup(command: string, scripts: PackageJson['scripts'], depth = 0): boolean {
  if (SETUP.test(command)) return true;
  const script = depth < 5 ? scriptOf(command, scripts) : undefined;
  return script !== undefined && script.split('&&').every((part) => isSetup(part.trim(), scripts, depth + 1));
}

/**
 * The command that serves, without the setup in front of it (`prisma migrate deploy && npm start`):
 * with several instances and a rollback, setup at each start would run at the wrong time.
 */
export function servingCommand(command: string, sources: Sources, where: string, notes: Notes, depth = 0): string {
  const scripts = sources.packageJson?.scripts ?? {};
  const parts = command.split('&&').map((part) => part.trim());
  const setup = parts.slice(0, -1).filter((part) => isSetup(part, scripts));
  const serving = parts.length > 1 && setup.length === parts.length - 1 ? (parts.at(-1) ?? command) : command;
  if (serving !== command) {
    notes.found.push({
      where,
      what: setup.join(' && '),
      usedFor: 'left out of the start: it is no work for each instance',
    });
  }
  const name = RUN_SCRIPT.exec(serving)?.[1];
  const script = name === undefined ? undefined : scripts[name];
  if (script === undefined || depth > 4) return serving;
  // Below npm there is one process more that holds memory and passes signals on; node itself is better run directly.
  const simple = /^node\s[^&|;<>$]*$/.test(script);
  if (simple) return script;
  const resolved = servingCommand(script, sources, `package.json scripts.${name ?? ''}`, notes, depth + 1);
  return resolved === script ? serving : resolved;
}

const unquote = (word: string): string => word.replaceAll(/^["']|["']$/g, '');

/** The start command of a Dockerfile: the last CMD, behind the last ENTRYPOINT unless that is a script. */
export function dockerCommand(dockerfile: string): string | undefined {
  const joined = dockerfile.replaceAll(/\\\r?\n/g, ' ');
  const last = (instruction: string): string | undefined =>
    [...joined.matchAll(new RegExp(`^\\s*${instruction}\\s+(.+?)\\s*$`, 'gim'))].at(-1)?.[1];
  const words = (value: string | undefined): string | undefined => {
    if (value === undefined) return undefined;
    if (!value.startsWith('[')) return value;
    const list = value.slice(1, value.lastIndexOf(']')).match(/"(?:[^"\\]|\\.)*"|'[^']*'/g) ?? [];
    return list.map(unquote).join(' ');
  };
  const command = words(last('CMD'));
  const entry = words(last('ENTRYPOINT'));
  if (entry === undefined || /\.sh\b|tini|dumb-init/.test(entry)) return command;
  return command === undefined ? entry : `${entry} ${command}`;
}

/** Whether the app is known, or seen, to listen on PORT. */
export function listensOnPort(command: string, sources: Sources): boolean {
  const scripts = sources.packageJson?.scripts ?? {};
  const line = scriptOf(command, scripts) ?? command;
  if (/react-router-serve|remix-serve|next start|\$\{?PORT/.test(line)) return true;
  return sources.entries.some(([, content]) => /\bPORT\b/.test(content));
}
