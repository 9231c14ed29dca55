// Who could start the worker at boot on this machine, and what such a service must know about exit codes.
import { existsSync } from 'node:fs';
import { EXIT } from '../exit-codes.ts';

export type ServiceHint = { readonly manager: string; readonly hint: string };

export function serviceHint(platform: NodeJS.Platform = process.platform, hasSystemd = runsSystemd()): ServiceHint {
  switch (platform) {
    case 'linux':
      if (!hasSystemd) break;
      return {
        manager: 'systemd',
        hint: `Restart=on-failure with RestartPreventExitStatus=${EXIT.authFailed}; \`loginctl enable-linger\` for a user unit`,
      };
    case 'darwin':
      return { manager: 'launchd', hint: 'KeepAlive with SuccessfulExit=false in a LaunchAgent' };
    case 'win32':
      return { manager: 'Task Scheduler', hint: 'a task at logon that restarts on failure' };
    default:
  }
  return { manager: 'none found', hint: `whatever starts it must not restart it after exit code ${EXIT.authFailed}` };
}

function runsSystemd(): boolean {
  return existsSync('/run/systemd/system');
}
