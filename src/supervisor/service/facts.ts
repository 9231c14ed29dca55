// What a service has to know to start this worker, gathered before anything is rendered. No file of a service manager is
// known here.

import type { ProgramCommand } from './program-command.ts';

/** The names that the worker has always had with the service managers; other tools look for them. */
export const SERVICE_NAMES = {
  systemd: 'minis-studio-worker.service',
  launchd: 'gg.minis.studio-worker',
  taskScheduler: 'MinisStudioWorker',
} as const;

export type ServiceFacts = {
  /** Starts the program: absolute paths that outlive an update. */
  readonly command: ProgramCommand;
  /** Absolute: the environment of a service differs from that of the shell, and so may its default. */
  readonly configPath: string;
  /** Written by the worker, wherever the operator put it. */
  readonly modelsRoot: string;
  /** Where the worker finds ffmpeg, sd-server and the like, as the installing shell does. */
  readonly searchPath: string;
  /** Account that the worker runs as. */
  readonly user: string;
  /** Time that running jobs get after the request to stop, in seconds. */
  readonly graceSecs: number;
};

/** Between the grace and the moment when a service manager kills: results are delivered for up to 10 s, then files close. */
const AFTER_GRACE_SECS = 30;

/** A grace of "as long as it takes" is a number without end in the file; a day is as good. */
const STOP_SECS_MAX = 86_400;

export function stopSecs({ graceSecs }: ServiceFacts): number {
  return Math.min(STOP_SECS_MAX, Math.ceil(graceSecs) + AFTER_GRACE_SECS);
}

/** Service files are lines of text: a path with a line break in it could add a line of its own. */
export function refuseControlCharacters(facts: ServiceFacts): void {
  for (const text of [...facts.command, facts.configPath, facts.modelsRoot, facts.user]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    if (/[\u0000-\u001f\u007f]/.test(text)) {
      throw new Error(`a service cannot name ${JSON.stringify(text)}: it has control characters in it`);
    }
  }
}
