// `studio-worker run`
import { type Command, configPathOf, endWith } from './command.ts';

export const runCommand: Command = {
  command: 'run',
  describe: 'Work: connect to the studio and take jobs, until stopped',
  async handler(args) {
    const { run } = await import('../run.ts');
    const { code, relaunch: target } = await run({
      configPath: configPathOf(args),
      trialFile: process.env.STUDIO_WORKER_TRIAL,
    });
    if (target !== undefined) {
      const { relaunch } = await import('../update/relaunch.ts');
      await relaunch(target);
    }
    endWith(code);
  },
};
