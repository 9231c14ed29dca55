// `studio-worker jobs`: what the running worker does and has done. It keeps that in memory only, so there must be one.
import { type Command, configPathOf, say } from './command.ts';

export const jobsCommand: Command<{ json: boolean }> = {
  command: 'jobs',
  describe: 'Running and recent jobs, those of the studio and those of this machine',
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'As JSON' }),
  async handler(args) {
    const { requireWorker } = await import('./worker-client.ts');
    const { jobsText } = await import('./live/jobs-text.ts');
    type Jobs = Pick<import('../daemon/types.ts').DaemonStatus, 'activeJobs' | 'recentJobs' | 'localJobs'>;
    const status = await (await requireWorker(configPathOf(args))).json<Jobs>('/daemon/status');
    const { activeJobs, recentJobs, localJobs } = status;
    // A running job is in two of the lists.
    const byId = new Map([...recentJobs, ...localJobs, ...activeJobs].map((job) => [job.jobId, job]));
    const jobs = [...byId.values()].toSorted((a, b) => a.startedAt.localeCompare(b.startedAt));
    say(args.json ? JSON.stringify(jobs, null, 2) : jobsText(jobs, new Date()));
  },
};
