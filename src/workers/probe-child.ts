// The parent's side of a probe: one child, one question, one answer or the reason why there is none. Nothing of an
// engine is ever imported here, because a native library that aborts would take the supervisor with it.
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnv } from './child-env.ts';
import { openLastWords } from './last-words.ts';
import type { ProbeAnswer, ProbeOrder } from './probe-messages.ts';

const MAIN = fileURLToPath(new URL(`./probe-main${extname(import.meta.url)}`, import.meta.url));

export type ProbeChildOptions = {
  /** For people who read `ps`. */
  readonly engine: string;
  readonly order: ProbeOrder;
  /** Variables that the child starts with, besides our own that are no secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly msMax: number;
  readonly signal?: AbortSignal | undefined;
};

export type ProbeEnd =
  | ProbeAnswer
  /** `how` is how it ended, `said` what it printed about it. */
  | { readonly kind: 'died'; readonly how: string; readonly said: string | undefined }
  | { readonly kind: 'silent' };

/** Resolves when the child has gone. Rejects with the signal's reason alone. */
export async function askProbeChild({ engine, order, env, msMax, signal }: ProbeChildOptions): Promise<ProbeEnd> {
  signal?.throwIfAborted();
  const child = fork(MAIN, [engine], {
    serialization: 'advanced',
    execArgv: [],
    env: { ...childEnv(process.env), ...env },
    // 4 is the lifeline (leave-with-parent.ts).
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    // A process group of its own, so that a program that the probe has started ends with it. On Windows it would get a
    // console window instead.
    detached: process.platform !== 'win32',
  });
  giveWay(child);
  const words = openLastWords(child);
  const gone = Promise.withResolvers<string>();
  child.on('exit', (code, exitSignal) => gone.resolve(exitSignal ?? `exit code ${code}`));
  // Also when a message could not be sent; the child then has no use.
  child.on('error', (error) => {
    if (child.pid === undefined) gone.resolve(`could not be started: ${error.message}`);
    else kill(child);
  });

  let end: ProbeEnd | undefined;
  child.on('message', (answer) => {
    end ??= answer as ProbeAnswer;
    kill(child);
  });
  const timer = setTimeout(() => {
    end ??= { kind: 'silent' };
    kill(child);
  }, msMax);
  const abort = (): void => kill(child);
  signal?.addEventListener('abort', abort, { once: true });
  if (child.connected) child.send(order);

  const how = await gone.promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', abort);
  await words.read;
  signal?.throwIfAborted();
  return end ?? { kind: 'died', how, said: words.telling() };
}

/** A probe may run beside jobs, which matter more. Some systems do not let us; then it does not give way. */
function giveWay(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {}
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Gone already, or not a group leader yet: then it has started nothing either.
    child.kill('SIGKILL');
  }
}
