import path from 'node:path';

/** Where the state of one app's control plane lies: `.towpath` in the folder of its config. */
export function layoutOf(root: string) {
  const dir = path.join(root, '.towpath');
  return {
    root,
    dir,
    /** Relative to the root, because a socket's path has room for 107 bytes. */
    socket: path.join('.towpath', 'control.sock'),
    process: path.join(dir, 'control.json'),
    /** Why the control plane did not start, for whoever started it. */
    failure: path.join(dir, 'control-failure.json'),
    anchor: path.join(dir, 'ledger-head.json'),
    logs: path.join(dir, 'logs'),
    controlLog: path.join(dir, 'logs', 'control.log'),
    postgres: path.join(dir, 'postgres'),
    artifacts: path.join(dir, 'artifacts'),
    reports: path.join(dir, 'reports'),
    environment: (name: string) => path.join(dir, 'environments', name),
  } as const;
}
export type Layout = ReturnType<typeof layoutOf>;
