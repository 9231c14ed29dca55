// `studio-worker config`: the config as it stands, with secrets masked unless asked for.
import { type Command, configPathOf, say } from './command.ts';

type Options = { json: boolean; showSecrets?: boolean | undefined };

export const configCommand: Command<Options> = {
  command: 'config',
  describe: 'Print the configuration and where it lies',
  builder: (yargs) =>
    yargs
      .option('json', { type: 'boolean', default: false, describe: 'With all defaults filled in, as JSON' })
      .option('show-secrets', { type: 'boolean', describe: 'Print tokens instead of ****' }),
  async handler(args) {
    const { openForReading } = await import('./open-config.ts');
    const { maskText, maskValues } = await import('../config/mask.ts');
    const store = await openForReading(configPathOf(args));
    if (args.json) {
      const { current, path } = store;
      say(
        JSON.stringify(
          { path, exists: store.exists, config: args.showSecrets ? current : maskValues(current) },
          null,
          2,
        ),
      );
      return;
    }
    say(`# ${store.path}${store.exists ? '' : ' (not written yet; these are the defaults)'}`);
    const text = args.showSecrets ? store.text : maskText(store.text);
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  },
};
