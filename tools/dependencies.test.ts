import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'vitest';
import { missingBinaries, type Lockfile } from './lockfile.ts';
import { ROOT } from './parts.ts';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const manifests = globSync('packages/*/package.json', { cwd: ROOT }).map(
  (file) => JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) as Manifest,
);
const all = (manifest: Manifest): Readonly<Record<string, string>> => ({
  ...manifest.dependencies,
  ...manifest.optionalDependencies,
  ...manifest.peerDependencies,
});

describe('runtime dependencies', () => {
  test('each has its line in docs/dependencies.md, and no line is left over', ({ expect }) => {
    const page = readFileSync(path.join(ROOT, 'docs', 'dependencies.md'), 'utf8');
    const lines = [...page.matchAll(/^\| `([^`]+)` +\| ([^|]+?) +\| \S[^|]+\| \S[^|]+\|$/gm)];
    const said = lines.flatMap(([, name, of]) => (of ?? '').split(', ').map((owner) => `${owner} needs ${name}`));
    const wanted = manifests.flatMap((manifest) =>
      Object.keys(all(manifest)).map((name) => `${manifest.name.replace('@towpath/', '')} needs ${name}`),
    );
    expect(said.toSorted()).toEqual(wanted.toSorted());
  });

  test('of the sdk are none', ({ expect }) => {
    const sdk = manifests.find(({ name }) => name === '@towpath/sdk');
    expect(sdk).toBeDefined();
    expect(sdk === undefined ? undefined : all(sdk)).toEqual({});
  });

  test('are named by exact versions', ({ expect }) => {
    const loose = manifests.flatMap((manifest) =>
      Object.entries(all(manifest)).filter(([, version]) => !/^\d/.test(version)),
    );
    expect(loose).toEqual([]);
  });
});

describe('package-lock.json', () => {
  const read = (file: string): Lockfile => JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) as Lockfile;

  test('names the binaries of all platforms, without which npm ci refuses it', ({ expect }) => {
    // Renew it with `npm run fix`.
    expect(missingBinaries(read('package-lock.json'))).toEqual({});
  });

  test('is noticed when a binary is missing', ({ expect }) => {
    const found = { version: '1.0.0' };
    const packages = {
      'node_modules/tool': {
        version: '1.0.0',
        dev: true,
        optionalDependencies: { 'tool-linux-x64-musl': '1.0.0', 'tool-darwin-arm64': '1.0.0' },
      },
      'node_modules/tool-darwin-arm64': found,
    };
    expect(missingBinaries({ packages })).toEqual({
      'node_modules/tool-linux-x64-musl': {
        version: '1.0.0',
        dev: true,
        optional: true,
        os: ['linux'],
        cpu: ['x64'],
        libc: ['musl'],
      },
    });
  });
});
