import type { TowpathError } from '../kernel/index.ts';

/** The exit codes, in one place: parsed by help, by the reference page, and by scripts for ever. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, unexpected: 5 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANING: readonly (readonly [ExitCode, string, string])[] = [
  [EXIT.ok, 'ok', 'What was asked for is done, or was so already.'],
  [
    EXIT.failed,
    'failed',
    'The thing itself failed: the release was rolled back, the evidence is not intact, a build broke.',
  ],
  [EXIT.usage, 'usage', 'The command line, the config or another input is wrong; nothing was done.'],
  [EXIT.unreachable, 'unreachable', 'No control plane answers. `towpath up` starts the local one.'],
  [
    EXIT.refused,
    'refused',
    'Refused because of the state of the world: another rollout holds the lock, the plan has changed, deploys are paused.',
  ],
  [EXIT.unexpected, 'unexpected', 'A defect in Towpath.'],
];

/** The exit code of an error. @param status HTTP status, when the control plane answered with it */
export function exitOf(error: TowpathError, status?: number): ExitCode {
  if (error.code === 'control.unreachable') return EXIT.unreachable;
  if (error.code === 'internal.unexpected') return EXIT.unexpected;
  if (status === 409 || status === 423) return EXIT.refused;
  if (/^(rollout\.locked|plan\.changed|deploys\.paused|lease\.)/.test(error.code)) return EXIT.refused;
  if (error.remedy === 'fix-input' || status === 400 || status === 404 || status === 422) return EXIT.usage;
  return EXIT.failed;
}
