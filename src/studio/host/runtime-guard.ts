// Takes the Workers runtime down with this process, however this process ends. Miniflare does so when Node exits, but
// after a `kill -9` workerd would live on, keep the port, and keep the state folder's databases open.
import { type ChildProcess, spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

export interface RuntimeGuard extends Disposable {
  /** To be called once the runtime has been started: it watches the children that were started since `openRuntimeGuard`. */
  watch(): void;
}

export function openRuntimeGuard(): RuntimeGuard {
  const children: ChildProcess[] = [];
  // Miniflare keeps its child to itself; Node announces every child it starts.
  const onChild = (message: unknown) => children.push((message as { process: ChildProcess }).process);
  subscribe('child_process', onChild);
  let watcher: ChildProcess | undefined;

  return {
    watch() {
      unsubscribe('child_process', onChild);
      const pids = children.filter(isRuntime).flatMap((child) => child.pid ?? []);
      // Windows ends a process tree in other ways, and has no shell to rely on.
      if (process.platform === 'win32' || pids.length === 0) return;
      // The watcher reads a pipe of which this process holds the other end: it ends when this process does.
      watcher = spawn('/bin/sh', ['-c', `read _; kill -9 ${pids.join(' ')} 2>/dev/null`], {
        stdio: ['pipe', 'ignore', 'ignore'],
        // Its own group: a Ctrl-C in the terminal must not take the watcher before what it watches.
        detached: true,
      });
      watcher.on('error', () => {});
      watcher.unref();
      (watcher.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    },
    [Symbol.dispose]() {
      unsubscribe('child_process', onChild);
      watcher?.kill('SIGKILL');
    },
  };
}

function isRuntime(child: ChildProcess): boolean {
  return child.spawnfile.includes('workerd');
}
