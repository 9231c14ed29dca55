// `studio-worker setup`: from nothing to a worker that runs and starts by itself, in one command that can be repeated.
import { EXIT } from '../exit-codes.ts';
import { type Command, configPathOf, endWith, say, UsageError, warn } from './command.ts';
import { install, refuseUnfit, tellRefusal } from './service-command.ts';

type Options = { apiBaseUrl?: string | undefined; label?: string | undefined };

export const setupCommand: Command<Options> = {
  command: 'setup',
  describe: 'Everything at once: configuration, service, start; says where to approve this worker',
  builder: (yargs) =>
    yargs
      .option('api-base-url', { type: 'string', requiresArg: true, describe: 'The studio to work for' })
      .option('label', { type: 'string', requiresArg: true, describe: 'A name for the operator of the studio to see' }),
  async handler(args) {
    refuseUnfit('user');
    const { baseUrlProblem } = await import('../config/base-url.ts');
    const { readRunningPid } = await import('../daemon-lock.ts');
    const { serviceManagerHere } = await import('../service/machine-service.ts');
    const { runningWorker, startDetached } = await import('../service/detached.ts');
    const { openForWriting } = await import('./open-config.ts');

    const apiBaseUrl = args.apiBaseUrl?.trim();
    const problem = apiBaseUrl === undefined ? undefined : baseUrlProblem(apiBaseUrl);
    if (problem !== undefined) throw new UsageError(`--api-base-url ${problem}`);
    const config = await openForWriting(configPathOf(args));
    await config.patch({
      ...(apiBaseUrl !== undefined && { apiBaseUrl }),
      ...(args.label !== undefined && { label: args.label.trim() || undefined }),
    });
    say(`configuration: ${config.path}`);

    const before = await readRunningPid(config.dir);
    const manager = serviceManagerHere();
    let started = before === undefined ? undefined : { pid: before };
    if (manager === undefined) {
      say('service: none; no service manager runs here, so the worker does not start by itself after a restart');
    } else {
      // A worker that runs already, by hand or as the service, is left alone.
      const { installed, plan } = await install(manager, 'user', args, before === undefined);
      say(`service: ${plan.file}`);
      if (installed.refusal !== undefined) tellRefusal(installed.refusal);
      else if (manager === 'systemd') await letLinger();
      if (before === undefined && installed.refusal === undefined)
        started = runningOrNothing(await runningWorker(config.dir));
    }
    if (started === undefined) {
      const outcome = await startDetached(config.path, config.dir);
      if ('problem' in outcome) {
        warn(`the worker could not be started: ${outcome.problem}; \`studio-worker run\` shows why`);
        return endWith(EXIT.error);
      }
      started = outcome;
      say(`worker: runs in the background (pid ${started.pid}); \`kill ${started.pid}\` stops it`);
    } else {
      say(`worker: ${before === undefined ? 'runs' : 'already ran'} (pid ${started.pid})`);
    }
    await sayWhereToApprove(config);
  },
};

function runningOrNothing(outcome: { pid: number } | { problem: string }): { pid: number } | undefined {
  return 'pid' in outcome ? outcome : undefined;
}

async function letLinger(): Promise<void> {
  const { linger, lingers } = await import('../service/linger.ts');
  if (await lingers()) return;
  const problem = await linger();
  if (problem === undefined)
    return say('it goes on when you log out, and starts with the machine (loginctl enable-linger)');
  warn(`it stops when you log out, since \`loginctl enable-linger\` failed: ${problem}`);
}

async function sayWhereToApprove(
  config: Awaited<ReturnType<typeof import('./open-config.ts').openForWriting>>,
): Promise<void> {
  const { siblingPaths } = await import('../config/paths.ts');
  const { machineName } = await import('../machine.ts');
  const { approvalPage } = await import('../studio-url.ts');
  await config.refresh();
  const { workerId, authToken, apiBaseUrl, label } = config.current;
  if (workerId !== undefined && authToken !== undefined) say(`approved as ${workerId}`);
  else {
    const name = label === undefined ? machineName() : `${machineName()} (${label})`;
    say(`approve it in the studio: machine ${name} at ${approvalPage(apiBaseUrl)}`);
  }
  say(`local programs find it through ${siblingPaths(config.path).localApi}`);
}
