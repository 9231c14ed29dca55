// The command line: which commands there are, and how mistakes and failures are told. Commands import what they need when
// they run, so that `--help` stays quick.
import type { CommandModule } from 'yargs';
import yargs from 'yargs';
import { EXIT } from '../exit-codes.ts';
import { openRedactor } from '../logs/redact.ts';
import { packageVersion } from '../machine.ts';
import { checkUpdateCommand } from './check-update-command.ts';
import { UsageError } from './command.ts';
import { configCommand } from './config-command.ts';
import { doctorCommand } from './doctor-command.ts';
import { disableCommand, enableCommand } from './enable-command.ts';
import { jobsCommand } from './jobs-command.ts';
import { logsCommand } from './logs-command.ts';
import { modelsCommand } from './models-command.ts';
import { pauseCommand, resumeCommand } from './pause-command.ts';
import { registerCommand } from './register-command.ts';
import { runCommand } from './run-command.ts';
import { runJobCommand } from './run-job-command.ts';
import { installServiceCommand, uninstallServiceCommand } from './service-command.ts';
import { setThresholdCommand } from './set-threshold-command.ts';
import { setupCommand } from './setup-command.ts';
import { statusCommand } from './status-command.ts';
import { rollbackCommand, updateCommand } from './update-command.ts';

const COMMANDS = [
  runCommand,
  statusCommand,
  pauseCommand,
  resumeCommand,
  jobsCommand,
  logsCommand,
  runJobCommand,
  doctorCommand,
  registerCommand,
  setThresholdCommand,
  modelsCommand,
  enableCommand,
  disableCommand,
  configCommand,
  checkUpdateCommand,
  updateCommand,
  rollbackCommand,
  setupCommand,
  installServiceCommand,
  uninstallServiceCommand,
] as CommandModule[];

/** Resolves with the exit code; never throws and never ends the process, so that all output gets out. */
export async function runCli(argv: readonly string[], furtherCommands: readonly CommandModule[]): Promise<number> {
  process.exitCode = EXIT.ok;
  // `studio-worker config | head -1`: a reader that has seen enough is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await parserFor(argv, [...COMMANDS, ...furtherCommands]).parseAsync();
    return Number(process.exitCode);
  } catch (thrown) {
    return tell(thrown);
  }
}

/** What the parser says of a positional argument that is not there. */
const TOO_FEW = /^Not enough non-option arguments: got \d+, need at least \d+$/;

function inPlainWords(message: string): string {
  return TOO_FEW.test(message) ? 'a value is missing after the command' : message;
}

function parserFor(argv: readonly string[], commands: readonly CommandModule[]) {
  const parser = yargs([...argv])
    .scriptName('studio-worker')
    .usage('$0 <command>\n\nTurns this machine into a worker of a studio.')
    .option('config', {
      type: 'string',
      requiresArg: true,
      describe: 'Config file; everything else lives beside it',
      global: true,
    })
    .demandCommand(1, 'no command given')
    .strict()
    // Messages in the language of the environment could not be searched for.
    .locale('en')
    // The last one counts, as with most tools; the default would make a list of them.
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .version(`studio-worker ${packageVersion()}`)
    .help()
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(inPlainWords(message));
    });
  for (const command of commands) parser.command(command);
  return parser;
}

function tell(thrown: unknown): number {
  const { text } = openRedactor();
  const isUsage = thrown instanceof UsageError || (thrown as { name?: unknown } | null)?.name === 'YError';
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  process.stderr.write(`studio-worker: ${text(message)}\n`);
  if (isUsage) {
    process.stderr.write('Try `studio-worker --help`.\n');
    return EXIT.usage;
  }
  if (process.env.STUDIO_WORKER_DEBUG === '1' && thrown instanceof Error) {
    process.stderr.write(`${text(stackWithCauses(thrown))}\n`);
  }
  return EXIT.error;
}

function stackWithCauses(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by: ${stackWithCauses(error.cause)}` : stack;
}
