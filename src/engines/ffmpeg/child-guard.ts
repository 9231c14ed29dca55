// Makes sure that a program which we started does not outlive us, however we end. A program that is not ours reads no
// pipe of ours to its end, and a process killed with -9 cleans nothing up; so a second small process holds the other end
// of a pipe, and when that closes it kills what was still running.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { childEnv } from './child-env.ts';

type Guard = { readonly process: ChildProcess; children: number };

/** One guard for all children of a thread, started with the first and gone with the last. */
let guard: Guard | undefined;

/** Call it in the same step as the start of `child` (execa's is its `nodeChildProcess`): only what is noted is killed. */
export function guardChild(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  guard ??= openGuard();
  const own = guard;
  own.children += 1;
  own.process.stdin?.write(`+${pid}\n`);
  child.once('exit', () => {
    own.children -= 1;
    // At once, since the number may soon be another program's.
    if (own.children > 0) own.process.stdin?.write(`-${pid}\n`);
    else {
      if (guard === own) guard = undefined;
      own.process.stdin?.end(`-${pid}\n`);
    }
  });
}

function openGuard(): Guard {
  // The function's own text is the program: it uses nothing from around it. So there is no file to find, whether the
  // sources or the built package run.
  const child = spawn(process.execPath, ['--max-old-space-size=16', '-e', `(${watch})()`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: childEnv(process.env),
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const opened: Guard = { process: child, children: 0 };
  const forget = () => {
    if (guard === opened) guard = undefined;
  };
  child.once('error', forget);
  child.once('exit', forget);
  // Written to after it has died; there is nothing to be done about it then.
  child.stdin?.on('error', forget);
  // It must not keep this thread from ending.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return opened;
}

/** Runs in the guard's process: `+pid` and `-pid` lines, and the end of the pipe is the end of us. */
function watch(): void {
  const pids = new Set<number>();
  let rest = '';
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const pid = Number(line.slice(1));
      if (line.startsWith('+')) pids.add(pid);
      else pids.delete(pid);
    }
  });
  process.stdin.on('close', () => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    process.exit(0);
  });
}
