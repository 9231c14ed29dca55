// Who could start the worker at boot on this machine, and how.
import { existsSync } from 'node:fs';
import { EXIT } from '../exit-codes.ts';

export type ServiceHint = { readonly manager: string; readonly hint: string };

export function serviceHint(platform: NodeJS.Platform = process.platform, hasSystemd = runsSystemd()): ServiceHint {
  switch (platform) {
    case 'linux':
      if (!hasSystemd) break;
      return {
        manager: 'systemd',
        hint: '`studio-worker install-service --now` starts the worker with this machine',
      };
    case 'darwin':
      return { manager: 'launchd', hint: '`studio-worker install-service --now` starts the worker at login' };
    case 'win32':
      return { manager: 'Task Scheduler', hint: '`studio-worker install-service --now` starts the worker at logon' };
    default:
  }
  return { manager: 'none found', hint: `whatever starts it must not restart it after exit code ${EXIT.authFailed}` };
}

function runsSystemd(): boolean {
  return existsSync('/run/systemd/system');
}
