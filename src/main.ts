// The program: every command of `studio-worker`, whichever part of the house it belongs to.
import type { CommandModule } from 'yargs';
import { demoCommand } from './studio/demo-command.ts';
import { studioCommand } from './studio/studio-command.ts';
import { runCli } from './supervisor/cli/cli.ts';

/** Resolves with the exit code. `argv` is without the interpreter and the script. */
export async function main(argv: string[]): Promise<number> {
  return runCli(argv, [studioCommand, demoCommand] as CommandModule[]);
}
