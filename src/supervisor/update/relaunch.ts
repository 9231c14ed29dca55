// Leaves this process to another program: the launcher, or another version. In place, with the same pid, where the
// system can do that, so that systemd and pm2 do not notice; elsewhere as a process of its own.
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';

export type Relaunch = { readonly file: string; readonly args: readonly string[] };

export type RelaunchWay = 'replace' | 'spawn-and-exit';

/** Pure. Windows has nothing like `execve`. */
export function relaunchWay(platform: NodeJS.Platform): RelaunchWay {
  return platform === 'win32' ? 'spawn-and-exit' : 'replace';
}

/** What marks a run as a trial; its value is the file for the verdict. Never handed on to a run in earnest. */
export const TRIAL_ENV = 'STUDIO_WORKER_TRIAL';

export function relaunchEnv(env: NodeJS.ProcessEnv): Record<string, string> {
  const { [TRIAL_ENV]: _trial, ...rest } = env;
  return Object.fromEntries(
    Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/**
 * Call it when nothing of this process is left to do. Rejects when there is no such program. Returns only where the process cannot be replaced: the other one
 * runs by then, and this one should end with 0.
 */
export async function relaunch({ file, args }: Relaunch): Promise<void> {
  const env = relaunchEnv(process.env);
  // An `execve` that fails aborts the process instead of throwing.
  await access(file, constants.X_OK);
  if (relaunchWay(process.platform) === 'replace' && process.execve !== undefined) {
    process.execve(file, [file, ...args], env);
  }
  await new Promise<void>((started, failed) => {
    const child = spawn(file, [...args], { detached: true, stdio: 'ignore', env, windowsHide: true });
    child.once('error', failed);
    child.once('spawn', () => {
      child.unref();
      started();
    });
  });
}
