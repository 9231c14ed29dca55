// Starts a worker that outlives this command, for machines without a service manager, and waits until a worker runs.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { readRunningPid } from '../daemon-lock.ts';
import { programCommand } from './program-command.ts';

export type Started = { readonly pid: number } | { readonly problem: string };

/** A worker takes its lock within a second; a disk that has to wake up takes longer. */
const START_MS_MAX = 90_000;
const LOOK_EVERY_MS = 100;

/** What a service manager tells its own child, which is this command at most and not the worker to be started. */
const NOT_FOR_THE_WORKER = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];

export async function startDetached(configPath: string, dir: string): Promise<Started> {
  const [program, ...args] = programCommand();
  const env = { ...process.env };
  for (const name of NOT_FOR_THE_WORKER) delete env[name];
  const child = spawn(program, [...args, 'run', '--config', configPath], {
    detached: true,
    // Its log files have what it says. Pipes would break when this command ends.
    stdio: 'ignore',
    windowsHide: true,
    cwd: dir,
    env,
  });
  const ended = new Promise<Started>((resolve) => {
    child.once('error', (error) => resolve({ problem: error.message }));
    child.once('exit', (code, signal) => resolve({ problem: `it ended at once with ${code ?? signal}` }));
  });
  const giveUp = new AbortController();
  try {
    return await Promise.race([ended, runningWorker(dir, giveUp.signal)]);
  } finally {
    giveUp.abort();
    child.unref();
  }
}

/** Resolves once a worker holds the lock of this folder, whoever started it. */
export async function runningWorker(dir: string, signal?: AbortSignal): Promise<Started> {
  const until = performance.now() + START_MS_MAX;
  while (performance.now() < until) {
    const pid = await readRunningPid(dir);
    if (pid !== undefined) return { pid };
    if (signal?.aborted) break;
    await sleep(LOOK_EVERY_MS);
  }
  return { problem: `no worker was up within ${START_MS_MAX / 1000} s` };
}
