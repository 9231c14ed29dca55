// What installing and removing a service consists of on each platform: the file, and the commands that make the service
// manager take it up. Pure, so that all of it can be read in tests on any platform.
import path from 'node:path';
import { SERVICE_NAMES } from './facts.ts';
import { launchdPlist } from './launchd-plist.ts';
import { type SystemdFacts, systemdUnit } from './systemd-unit.ts';
import { taskXml } from './task-xml.ts';

export type ServiceManager = 'systemd' | 'launchd' | 'task-scheduler';

export type CommandLine = readonly [program: string, ...args: string[]];

export type ServicePlan = {
  readonly manager: ServiceManager;
  readonly file: string;
  /** What `file` is to hold. */
  readonly contents: (facts: SystemdFacts) => Buffer;
  /** After the file is written: makes the worker start by itself from now on. */
  readonly enable: readonly CommandLine[];
  /** As `enable`, and starts it now. */
  readonly enableNow: readonly CommandLine[];
  /** Before `disable`; a failure means that nothing ran. */
  readonly stop: readonly CommandLine[];
  /** Before the file is deleted: the service manager stops the worker, where it does, and forgets it. */
  readonly disable: readonly CommandLine[];
  readonly afterRemoval: readonly CommandLine[];
};

export type Place = {
  readonly scope: 'user' | 'system';
  readonly homedir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export function servicePlan(manager: ServiceManager, place: Place): ServicePlan {
  switch (manager) {
    case 'systemd':
      return systemdPlan(place);
    case 'launchd':
      return launchdPlan(place);
    case 'task-scheduler':
      return taskPlan(place);
  }
}

function systemdPlan({ scope, homedir }: Place): ServicePlan {
  const unit = SERVICE_NAMES.systemd;
  // Not under XDG_CONFIG_HOME: the manager was started long before this shell and rarely knows that variable.
  const dir = scope === 'system' ? '/etc/systemd/system' : path.posix.join(homedir, '.config/systemd/user');
  const systemctl = (...args: string[]): CommandLine => ['systemctl', ...(scope === 'user' ? ['--user'] : []), ...args];
  return {
    manager: 'systemd',
    file: path.posix.join(dir, unit),
    contents: (facts) => Buffer.from(systemdUnit(facts)),
    enable: [systemctl('daemon-reload'), systemctl('enable', unit)],
    enableNow: [systemctl('daemon-reload'), systemctl('enable', '--now', unit)],
    stop: [],
    disable: [systemctl('disable', '--now', unit)],
    afterRemoval: [systemctl('daemon-reload')],
  };
}

function launchdPlan({ homedir }: Place): ServicePlan {
  const file = path.posix.join(homedir, 'Library/LaunchAgents', `${SERVICE_NAMES.launchd}.plist`);
  return {
    manager: 'launchd',
    file,
    contents: (facts) => Buffer.from(launchdPlist(facts)),
    // An agent is loaded by its place at the next login.
    enable: [],
    enableNow: [['launchctl', 'load', '-w', file]],
    stop: [],
    disable: [['launchctl', 'unload', file]],
    afterRemoval: [],
  };
}

function taskPlan({ homedir, env }: Place): ServicePlan {
  const appData = env.APPDATA || path.win32.join(homedir, 'AppData', 'Roaming');
  const file = path.win32.join(appData, 'minis-studio-worker', 'minis-studio-worker.task.xml');
  const name = SERVICE_NAMES.taskScheduler;
  const create: CommandLine = ['schtasks', '/Create', '/F', '/XML', file, '/TN', name];
  return {
    manager: 'task-scheduler',
    file,
    // UTF-16 with a byte order mark is the one form that every version of schtasks reads.
    contents: (facts) => Buffer.from(`\ufeff${taskXml(facts)}`.replaceAll('\n', '\r\n'), 'utf16le'),
    enable: [create],
    enableNow: [create, ['schtasks', '/Run', '/TN', name]],
    stop: [['schtasks', '/End', '/TN', name]],
    disable: [['schtasks', '/Delete', '/TN', name, '/F']],
    afterRemoval: [],
  };
}

/** As a person types it. */
export function commandText(words: CommandLine): string {
  return words.map(typed).join(' ');
}

function typed(word: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(word)) return word;
  return /["$`]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : `"${word}"`;
}
