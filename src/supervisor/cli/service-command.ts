// `studio-worker install-service` and `uninstall-service`: the worker starts by itself with the machine, or no longer does.
import { existsSync } from 'node:fs';
import type { Refusal } from '../service/install.ts';
import type { ServiceManager } from '../service/plan.ts';
import { type Command, configPathOf, say, UsageError, warn } from './command.ts';

type Scope = 'user' | 'system';

export const installServiceCommand: Command<{ system: boolean; now: boolean }> = {
  command: 'install-service',
  describe: 'Start the worker with this machine (systemd, launchd, Task Scheduler)',
  builder: (yargs) =>
    yargs
      .option('system', {
        type: 'boolean',
        default: false,
        describe: 'For the machine instead of for you (Linux, root)',
      })
      .option('now', { type: 'boolean', default: false, describe: 'Start it now as well' }),
  async handler(args) {
    const scope: Scope = args.system ? 'system' : 'user';
    const manager = await managerFor(scope);
    const { installed, plan, account, changedWhileRunning } = await install(manager, scope, args, args.now);
    say(`${FILE_WORDS[installed.file]} ${plan.file}`);
    if (installed.refusal !== undefined) return tellRefusal(installed.refusal);
    if (manager === 'launchd' && !args.now) {
      say('it starts at your next login; to start it now:');
      for (const line of plan.enableNow) say(`  ${line.join(' ')}`);
    } else {
      say(args.now ? 'the worker runs, and starts by itself from now on' : 'the worker starts by itself from now on');
    }
    if (changedWhileRunning) say('the worker that runs now has the old settings of the service until it is restarted');
    if (manager === 'systemd' && scope === 'user') await tellOfLinger(account);
  },
};

export const uninstallServiceCommand: Command<{ system: boolean }> = {
  command: 'uninstall-service',
  describe: 'Stop the service and remove it; configuration, models and results stay',
  builder: (yargs) =>
    yargs.option('system', { type: 'boolean', default: false, describe: 'The service for the machine (Linux, root)' }),
  async handler(args) {
    const scope: Scope = args.system ? 'system' : 'user';
    const { serviceAccount, serviceManagerHere } = await import('../service/machine-service.ts');
    const { servicePlan } = await import('../service/plan.ts');
    const { removeService } = await import('../service/install.ts');
    const { openForReading } = await import('./open-config.ts');
    refuseUnfit(scope);
    // A file of a machine that has lost its service manager can still be removed.
    const manager = serviceManagerHere() ?? 'systemd';
    const account = await serviceAccount(scope);
    const plan = servicePlan(manager, { scope, homedir: account.homedir, env: process.env });
    const config = await openForReading(configPathOf(args)).catch(() => undefined);
    const removed = await removeService(plan, (config?.current.shutdownGraceSecs ?? 30) * 1000);
    say(removed.existed ? `removed ${plan.file}` : `no service is installed (${plan.file})`);
    if (removed.refusal !== undefined) tellRefusal(removed.refusal);
  },
};

/** What `install-service` and `setup` share. */
export async function install(
  manager: ServiceManager,
  scope: Scope,
  options: { config?: string | undefined },
  now: boolean,
) {
  const { serviceAccount, serviceFacts } = await import('../service/machine-service.ts');
  const { servicePlan } = await import('../service/plan.ts');
  const { installService } = await import('../service/install.ts');
  const { readRunningPid } = await import('../daemon-lock.ts');
  const { openForReading } = await import('./open-config.ts');
  const account = await serviceAccount(scope);
  const config = await openForReading(configPathOf(options, account.homedir));
  const plan = servicePlan(manager, { scope, homedir: account.homedir, env: process.env });
  const other = servicePlan(manager, {
    scope: scope === 'user' ? 'system' : 'user',
    homedir: account.homedir,
    env: process.env,
  });
  if (other.file !== plan.file && existsSync(other.file)) {
    warn(`there is ${other.file} as well; two services with the same configuration get into each other's way`);
  }
  const facts = await serviceFacts(config, scope, account, manager);
  const installed = await installService(plan, facts, now);
  const runs = (await readRunningPid(config.dir)) !== undefined;
  return { installed, plan, account, changedWhileRunning: installed.file === 'replaced' && runs };
}

const FILE_WORDS = { created: 'wrote', replaced: 'wrote anew', unchanged: 'already there:' } as const;

/** The manager that a service can be given to; throws before anything is written. */
async function managerFor(scope: Scope): Promise<ServiceManager> {
  refuseUnfit(scope);
  const { serviceManagerHere } = await import('../service/machine-service.ts');
  const manager = serviceManagerHere();
  if (manager !== undefined) return manager;
  throw new Error(
    'no service manager runs here (a container?), nothing was installed. ' +
      'Let whatever starts your programs start `studio-worker run`, and not again after exit code 77; ' +
      '`studio-worker setup` starts it once, in the background.',
  );
}

export function refuseUnfit(scope: Scope): void {
  const isRoot = process.getuid?.() === 0;
  if (scope === 'system') {
    if (process.platform !== 'linux') throw new UsageError('--system is for systemd on Linux');
    if (!isRoot) throw new UsageError('--system writes to /etc: call it with sudo');
  } else if (isRoot && process.env.SUDO_USER) {
    throw new UsageError("without --system the service is yours, not root's: call it without sudo");
  }
}

/** As upstream, this is no failure: the file is right, and the reader knows what is left to do. */
export function tellRefusal({ command, problem, byHand }: Refusal): void {
  warn(`\`${command}\` failed: ${problem}`);
  say('what is left to do, once that is put right:');
  for (const line of byHand) say(`  ${line}`);
}

/** A user's services end with their last session, unless they linger. */
export async function tellOfLinger(account: { name: string }): Promise<void> {
  const { lingers } = await import('../service/linger.ts');
  if (await lingers(account.name)) return;
  say('it stops when you log out, and starts when you log in; to let it run without you:');
  say('  loginctl enable-linger');
}
