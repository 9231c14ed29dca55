// What every command of the CLI shares: the global option, how it says its exit code, and how it writes.
import os from 'node:os';
import type { CommandModule } from 'yargs';
import { defaultConfigPath, type PathContext, resolvePath } from '../config/paths.ts';
import type { ExitCode } from '../exit-codes.ts';

/** yargs hands `config` to every command, wherever it stood on the command line. */
export type GlobalOptions = { config?: string | undefined };

export type Command<Options = object> = CommandModule<object, GlobalOptions & Options>;

/** Something about the command line itself that yargs cannot see: exit code 2. */
export class UsageError extends Error {
  static {
    UsageError.prototype.name = 'UsageError';
  }
}

/** The handlers of yargs return nothing, so their exit code is what the process will end with. */
export function endWith(code: ExitCode | number): void {
  process.exitCode = code;
}

/** `homedir` is another's when this program is called for somebody else, whose environment is not known then. */
export function configPathOf({ config }: GlobalOptions, homedir: string = os.homedir()): string {
  const context: PathContext = {
    platform: process.platform,
    env: homedir === os.homedir() ? process.env : {},
    homedir,
    tmpdir: os.tmpdir(),
  };
  if (config === '') throw new UsageError('--config needs a path');
  return config === undefined ? defaultConfigPath(context) : resolvePath(config, process.cwd(), context);
}

/** One line on stdout: the answer of a command. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One line on stderr: what the reader should know besides, so that stdout stays fit for a pipe. */
export function warn(line: string): void {
  process.stderr.write(`warning: ${line}\n`);
}

/** `label:   value` lines with the values below each other. */
export function aligned(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  return rows.map(([label, value]) => `${`${label}:`.padEnd(width)}${value}`).join('\n');
}
