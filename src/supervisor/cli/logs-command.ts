// `studio-worker logs`: the end of the worker's log; with -f also what comes. Without a running worker it reads the files.
import { type Command, configPathOf, say, UsageError, warn } from './command.ts';

type Options = { lines: number; follow: boolean; json: boolean };

/** More than that is for the files themselves. */
const LINES_MAX = 100_000;

export const logsCommand: Command<Options> = {
  command: 'logs',
  describe: 'The end of the log; -f follows it',
  builder: (yargs) =>
    yargs
      .option('lines', { alias: 'n', type: 'number', requiresArg: true, default: 50, describe: 'How many to show' })
      .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on showing what is logged' })
      .option('json', { type: 'boolean', default: false, describe: 'Each entry as JSON' }),
  async handler(args) {
    const { lines, follow } = args;
    if (!(Number.isInteger(lines) && lines >= 0 && lines <= LINES_MAX)) {
      throw new UsageError(`--lines must be a whole number from 0 to ${LINES_MAX}`);
    }
    const { logText } = await import('./live/log-text.ts');
    const { findWorker } = await import('./worker-client.ts');
    const show = (entry: Parameters<typeof logText>[0]): void =>
      say(args.json ? JSON.stringify(entry) : logText(entry));
    const configPath = configPathOf(args);
    const worker = await findWorker(configPath).catch((thrown: Error) => void warn(thrown.message));
    if (worker && follow) {
      const { followLog } = await import('./live/log-follow.ts');
      for await (const entry of followLog(worker, lines, new AbortController().signal)) show(entry);
      return warn('the worker has ended');
    }
    for (const entry of worker ? await ofWorker(worker, lines) : await ofFiles(configPath, lines)) show(entry);
    if (follow) warn('no worker runs on this configuration, so there is nothing to follow');
  },
};

type Worker = import('./worker-client.ts').WorkerClient;

async function ofWorker(worker: Worker, lines: number) {
  const { lastEntries } = await import('./live/log-follow.ts');
  return lastEntries(worker, lines);
}

async function ofFiles(configPath: string, lines: number) {
  const { openForReading } = await import('./open-config.ts');
  const { lastLogLines } = await import('./live/log-files.ts');
  const { dir } = (await openForReading(configPath)).current.logging;
  const found = await lastLogLines(dir, lines);
  if (found.length === 0 && lines > 0) warn(`there are no log files in ${dir}`);
  return found;
}
