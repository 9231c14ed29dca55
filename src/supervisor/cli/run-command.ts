// `studio-worker run`
import { type Command, configPathOf, endWith } from './command.ts';

export const runCommand: Command = {
  command: 'run',
  describe: 'Work: connect to the studio and take jobs, until stopped',
  async handler(args) {
    const { run } = await import('../run.ts');
    endWith(await run({ configPath: configPathOf(args) }));
  },
};
