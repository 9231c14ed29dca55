// By which command a service starts this program, so that the service file stays true when the program is updated.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type InstallKind, installKind } from '../update/install-kind.ts';

export type ProgramCommand = readonly [program: string, ...args: string[]];

/**
 * An installation that updates itself is started by its launcher, which finds the current version; anything else by the
 * interpreter that runs now, which is known to be new enough.
 */
export function programCommand(install: InstallKind = installKind()): ProgramCommand {
  if (install.kind === 'managed' && existsSync(install.layout.command)) return [install.layout.command];
  // Three folders up from here, both in `src/` and in `dist/`.
  return [process.execPath, fileURLToPath(new URL('../../../bin/studio-worker.js', import.meta.url))];
}
