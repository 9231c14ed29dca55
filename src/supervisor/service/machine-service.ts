// Looks at the machine: which service manager runs here, and what a service of this worker would have to say.
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ConfigStore } from '../config/store.ts';
import { username } from '../machine.ts';
import { runProgram } from '../run-program.ts';
import type { ServiceManager } from './plan.ts';
import { programCommand } from './program-command.ts';
import type { SystemdFacts } from './systemd-unit.ts';

/** systemd-notify waits since this version until its message was read; before, who had sent it was sometimes unknown. */
const SYSTEMD_MIN_FOR_NOTIFY = 246;

const ASK_MS = 10_000;

/** Undefined in a container, under an init without services, and on platforms that this program knows no manager of. */
export function serviceManagerHere(platform: NodeJS.Platform = process.platform): ServiceManager | undefined {
  switch (platform) {
    case 'linux':
      // systemd's own way to say that it runs this machine.
      return existsSync('/run/systemd/system') ? 'systemd' : undefined;
    case 'darwin':
      return 'launchd';
    case 'win32':
      return 'task-scheduler';
    default:
      return undefined;
  }
}

export type Account = { readonly name: string; readonly homedir: string };

/** The person behind `sudo`, when there is one: a service is for them, and so are its files. */
export async function serviceAccount(scope: 'user' | 'system'): Promise<Account> {
  const own: Account = { name: accountName(), homedir: os.homedir() };
  const { SUDO_USER } = process.env;
  if (scope === 'user' || process.getuid?.() !== 0 || !SUDO_USER || SUDO_USER === own.name) return own;
  const answer = await runProgram(['getent', 'passwd', SUDO_USER], { timeoutMs: ASK_MS });
  const homedir = answer.ok ? answer.stdout.trim().split(':')[5] : undefined;
  if (!homedir) throw new Error(`the home folder of ${SUDO_USER} cannot be found: name the config file with --config`);
  return { name: SUDO_USER, homedir };
}

function accountName(): string {
  const { USERDOMAIN, USERNAME } = process.env;
  return process.platform === 'win32' && USERDOMAIN && USERNAME ? `${USERDOMAIN}\\${USERNAME}` : username();
}

export async function serviceFacts(
  config: ConfigStore,
  scope: 'user' | 'system',
  account: Account,
  manager: ServiceManager,
): Promise<SystemdFacts> {
  return {
    scope,
    command: programCommand(),
    configPath: config.path,
    modelsRoot: inHomeOf(account, config.current.modelsRoot),
    searchPath: searchPath(process.env.PATH ?? ''),
    user: account.name,
    graceSecs: config.current.shutdownGraceSecs,
    notify: manager === 'systemd' && (await canNotify()),
  };
}

/** The configuration was read with this process's idea of `~`, which under sudo is root's. */
function inHomeOf({ homedir }: Account, dir: string): string {
  const fromOwn = path.relative(os.homedir(), dir);
  return fromOwn.startsWith('..') || path.isAbsolute(fromOwn) ? dir : path.join(homedir, fromOwn);
}

/** Absolute folders only: a service has another working folder. No line breaks, which service files cannot hold. */
export function searchPath(text: string): string {
  const folders = text
    .split(path.delimiter)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    .filter((folder) => path.isAbsolute(folder) && !/[\u0000-\u001f\u007f]/.test(folder));
  return [...new Set(folders)].join(path.delimiter);
}

async function canNotify(): Promise<boolean> {
  const answer = await runProgram(['systemd-notify', '--version'], { timeoutMs: ASK_MS });
  if (!answer.ok) return false;
  return Number(/^systemd (\d+)/.exec(answer.stdout)?.[1] ?? 0) >= SYSTEMD_MIN_FOR_NOTIFY;
}
