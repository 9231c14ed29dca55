// `studio-worker demo`
import type { CommandModule } from 'yargs';
import { UsageError } from './usage-error.ts';

type Options = { prompt?: string | undefined; out: string; jobs: number; keep: boolean; json: boolean };

export const demoCommand: CommandModule<object, Options> = {
  command: 'demo',
  describe: 'A studio and a worker on this machine, one job of every kind, and its results on disk',
  builder: (yargs) =>
    yargs
      .option('prompt', { type: 'string', requiresArg: true, describe: 'What all jobs are about' })
      .option('out', { type: 'string', default: './demo-out', describe: 'Folder for the results' })
      .option('jobs', { type: 'number', default: 1, describe: 'Jobs of each kind' })
      .option('keep', { type: 'boolean', default: false, describe: 'Keep the temporary folders, and print them' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the closing table as JSON' })
      .check(({ jobs, out }) => {
        if (!Number.isInteger(jobs) || jobs < 1 || jobs > 100) throw new UsageError('--jobs must be 1 to 100');
        if (out.trim() === '') throw new UsageError('--out needs a folder');
        return true;
      }),
  async handler(options) {
    const { runDemo } = await import('./demo/run-demo.ts');
    process.exitCode = await runDemo(options);
  },
};
