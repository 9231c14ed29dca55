// `studio-worker enable` and `studio-worker disable`: whether jobs are taken. The session stays up either way.
import { type Command, configPathOf, say } from './command.ts';

export const enableCommand: Command = {
  command: 'enable',
  describe: 'Take jobs',
  handler: (args) => setEnabled(configPathOf(args), true),
};

export const disableCommand: Command = {
  command: 'disable',
  describe: 'Take no new jobs; running ones finish',
  handler: (args) => setEnabled(configPathOf(args), false),
};

async function setEnabled(configPath: string, autoEnabled: boolean): Promise<void> {
  const { openForWriting, tellOfRunningWorker } = await import('./open-config.ts');
  const store = await openForWriting(configPath);
  const before = store.current.autoEnabled;
  await store.patch({ autoEnabled });
  const word = autoEnabled ? 'enabled' : 'disabled';
  say(
    before === autoEnabled ? `already ${word}` : `${word}: ${autoEnabled ? 'jobs are taken' : 'no new jobs are taken'}`,
  );
  await tellOfRunningWorker(store);
}
