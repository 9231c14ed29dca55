// `studio-worker pause` and `resume`: whether the running worker takes jobs of the studio. Not kept: a restart resumes.
import { type Command, configPathOf, say } from './command.ts';

export const pauseCommand: Command = {
  command: 'pause',
  describe: 'The running worker takes no further jobs of the studio; `disable` also holds after a restart',
  handler: (args) => ask(configPathOf(args), 'pause', 'paused: no further jobs of the studio are taken until `resume`'),
};

export const resumeCommand: Command = {
  command: 'resume',
  describe: 'The running worker takes jobs of the studio again',
  handler: (args) => ask(configPathOf(args), 'resume', 'resumed'),
};

async function ask(configPath: string, what: 'pause' | 'resume', done: string): Promise<void> {
  const { requireWorker } = await import('./worker-client.ts');
  const worker = await requireWorker(configPath);
  await worker.json(`/daemon/${what}`, { method: 'POST' });
  say(done);
}
