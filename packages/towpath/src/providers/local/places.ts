import path from 'node:path';
import { TowpathError, type Scope } from '../../kernel/index.ts';
import { hasCode } from '../../system/index.ts';

/**
 * Where the local provider keeps what it knows, all of it readable by the owner alone:
 *
 *     <dir>/<app>/<environment>/fence/<epoch>                 the highest epoch seen
 *     <dir>/<app>/<environment>/instances/<id>/record.json    what it is, without the environment's values
 *                                             env.json        the environment, to start it again
 *                                             control.json    its role, written by us, read by the app
 *                                             ack.json        its answer, written by the app
 *     <dir>/<app>/<environment>/logs/<group>/<release>.<id>.<out|err>.log[.1 to .3]
 */
export interface Places {
  scope(scope: Scope): string;
  fence(scope: Scope): string;
  instances(scope: Scope): string;
  instance(scope: Scope, id: string): InstancePlaces;
  logs(scope: Scope): string;
}

export interface InstancePlaces {
  readonly dir: string;
  readonly record: string;
  readonly env: string;
  readonly control: string;
  readonly ack: string;
  log(group: string, release: number, stream: 'out' | 'err'): string;
}

export function createPlaces(dir: string): Places {
  const root = path.resolve(dir);
  const scoped = (scope: Scope, ...rest: readonly string[]): string =>
    path.join(root, segment(scope.app), segment(scope.environment), ...rest);
  return {
    scope: (scope) => scoped(scope),
    fence: (scope) => scoped(scope, 'fence'),
    instances: (scope) => scoped(scope, 'instances'),
    logs: (scope) => scoped(scope, 'logs'),
    instance(scope, id) {
      const own = scoped(scope, 'instances', segment(id));
      return {
        dir: own,
        record: path.join(own, 'record.json'),
        env: path.join(own, 'env.json'),
        control: path.join(own, 'control.json'),
        ack: path.join(own, 'ack.json'),
        log: (group, release, stream) => scoped(scope, 'logs', segment(group), `${release}.${id}.${stream}.log`),
      };
    },
  };
}

/** One folder name, whatever the name holds: `..` and `/` cannot lead out. */
export function segment(name: string): string {
  return encodeURIComponent(name).replace(/^\.+/, (dots) => '%2E'.repeat(dots.length));
}

/** A write that failed for want of space gets its name and advice; other errors pass through. */
export function explainWriteError(error: unknown, dir: string): unknown {
  if (!hasCode(error, 'ENOSPC', 'EDQUOT')) return error;
  return new TowpathError('provider.disk_full', `no space is left to write under ${dir}`, {
    // Not to be tried again in silence: a full disk stays full until somebody makes room.
    remedy: 'undo',
    hint: `free space there (see \`df -h ${dir}\`) and repeat; what runs goes on running, nothing was left half-made`,
    cause: error,
  });
}
