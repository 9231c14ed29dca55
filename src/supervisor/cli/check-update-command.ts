// `studio-worker check-update`: whether there is a newer version. Installs nothing; the exit code tells, for scripts.
import { EXIT } from '../exit-codes.ts';
import { packageVersion } from '../machine.ts';
import { type Command, configPathOf, endWith, say, warn } from './command.ts';

export const checkUpdateCommand: Command<{ json: boolean }> = {
  command: 'check-update',
  describe: `Say whether there is a newer version (exit code ${EXIT.updateAvailable}: there is)`,
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'As JSON' }),
  async handler(args) {
    const { openForReading } = await import('./open-config.ts');
    const { checkForUpdate } = await import('../update/check.ts');
    const { installKind } = await import('../update/install-kind.ts');
    const { badVersions, readUpdateState } = await import('../update/update-state.ts');
    const { current: config } = await openForReading(configPathOf(args));
    const install = installKind();
    const bad = install.kind === 'managed' ? badVersions(await readUpdateState(install.layout)) : new Set<string>();
    const running = packageVersion();
    const { newer, warnings } = await checkForUpdate({
      feed: config.autoUpdateFeed,
      running,
      allowPrerelease: config.autoUpdatePrerelease,
      bad,
    });
    for (const warning of warnings) warn(warning);
    const how = install.kind === 'managed' ? 'install it with `studio-worker update`' : install.how;
    if (args.json) {
      say(
        JSON.stringify({ running, available: newer?.version ?? null, bad: [...bad], installed: install.kind }, null, 2),
      );
    } else if (newer === undefined) say(`up to date: ${running}`);
    else {
      say(`update available: ${running} -> ${newer.version}`);
      process.stderr.write(`${how}\n`);
    }
    endWith(newer === undefined ? EXIT.ok : EXIT.updateAvailable);
  },
};
