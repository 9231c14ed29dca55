// `studio-worker status`: what this worker is, from its files and the machine alone. Asks no studio and shows no secret.
import { type Command, configPathOf, say } from './command.ts';

export const statusCommand: Command<{ json: boolean }> = {
  command: 'status',
  describe: 'Show registration, settings, memory and whether a worker is running',
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'As JSON' }),
  async handler(args) {
    const { openForReading } = await import('./open-config.ts');
    const { gatherStatus, statusText } = await import('./status-report.ts');
    const store = await openForReading(configPathOf(args));
    const status = await gatherStatus(store);
    say(args.json ? JSON.stringify(status, null, 2) : statusText(status));
  },
};
