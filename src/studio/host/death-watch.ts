// Ends child processes when this process is gone, however it went: no handler of ours runs after a `kill -9`.
import { spawn } from 'node:child_process';

/** Watches until disposed. Does nothing on Windows, which has no shell to rely on. */
export function watchOver(pids: number[], signal: 'TERM' | 'KILL'): Disposable {
  if (process.platform === 'win32' || pids.length === 0) return { [Symbol.dispose]() {} };
  // The watcher reads a pipe of which this process holds the other end: its read ends when this process does.
  const watcher = spawn('/bin/sh', ['-c', `read _; kill -${signal} ${pids.join(' ')} 2>/dev/null`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // A group of its own: a Ctrl-C in the terminal must not take the watcher before what it watches.
    detached: true,
  });
  // Without a shell there is no watch, and everything else goes on.
  watcher.on('error', () => {});
  watcher.unref();
  return {
    [Symbol.dispose]() {
      // Not through its pipe: the end of that is what it waits for.
      watcher.kill('SIGKILL');
    },
  };
}
