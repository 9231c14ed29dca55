// `studio-worker status`: what this worker is, from its files and the machine, and what it does, from the running worker
// itself. Asks no studio and shows no secret.
import { type Command, configPathOf, say, warn } from './command.ts';

export const statusCommand: Command<{ json: boolean }> = {
  command: 'status',
  describe: 'Show registration, settings, memory and whether a worker is running',
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'As JSON' }),
  async handler(args) {
    const { openForReading } = await import('./open-config.ts');
    const { gatherStatus, statusText } = await import('./status-report.ts');
    const store = await openForReading(configPathOf(args));
    const { liveStatus } = await import('./live/live-status.ts');
    const [status, live] = await Promise.all([
      gatherStatus(store),
      // The files say enough to be shown when the worker itself does not answer.
      liveStatus(store.path).catch((thrown: Error) => void warn(thrown.message)),
    ]);
    say(args.json ? JSON.stringify({ ...status, live: live ?? null }, null, 2) : statusText(status, live ?? undefined));
  },
};
