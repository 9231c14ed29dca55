// `studio-worker update` and `studio-worker rollback`: what the automatic updater does, when an operator wants it. A
// running worker takes the other version between two jobs; without one it is tried right here.
import { EXIT } from '../exit-codes.ts';
import { packageVersion } from '../machine.ts';
import { type Command, configPathOf, endWith, say, warn } from './command.ts';

export const updateCommand: Command<{ to?: string | undefined }> = {
  command: 'update',
  describe: 'Install the newest version, or the one named',
  builder: (yargs) =>
    yargs.option('to', { type: 'string', requiresArg: true, describe: 'A version, also an older one' }),
  async handler(args) {
    const { openForReading } = await import('./open-config.ts');
    const { managedInstall } = await import('../update/managed-install.ts');
    const { updateNow } = await import('../update/update-now.ts');
    const install = managedInstall();
    const store = await openForReading(configPathOf(args));
    const done = await updateNow({
      install,
      running: packageVersion(),
      configPath: store.path,
      config: store.current,
      to: args.to,
      say: (text) => process.stderr.write(`${text}\n`),
      warn,
    });
    say(done.text);
    endWith(done.ok ? EXIT.ok : EXIT.error);
  },
};

export const rollbackCommand: Command = {
  command: 'rollback',
  describe: 'Go back to the version before this one',
  async handler() {
    const { managedInstall } = await import('../update/managed-install.ts');
    const { takeInstallLock } = await import('../update/install-lock.ts');
    const { goBack } = await import('../update/switch-version.ts');
    const { installError } = await import('../update/update-error.ts');
    const { layout } = managedInstall();
    await using _lock = await takeInstallLock(layout);
    try {
      const { from, to } = await goBack(layout, 'rolled back by the operator');
      say(`went back from ${from} to ${to}; ${from} is not installed again by itself`);
      process.stderr.write('A running worker changes over between two jobs.\n');
    } catch (thrown) {
      throw installError(layout.root, thrown);
    }
  },
};
