// What the process says when it ends. Service managers act on these numbers, so they do not change.

export const EXIT = {
  ok: 0,
  /** Anything that went wrong; a line on stderr says what. Worth a restart. */
  error: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** `check-update` found a newer version. */
  updateAvailable: 10,
  /** The studio refused the credentials: a restart would be refused as well (systemd: RestartPreventExitStatus=77). */
  authFailed: 77,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
