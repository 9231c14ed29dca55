// Miniflare keeps two things to itself that its embedder must be able to decide: the pid of the Workers runtime, which
// outlives a `kill -9` of this process with the port and the databases in its hands, and what happens on Ctrl-C.
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { watchOver } from './death-watch.ts';

export interface RuntimeGuard extends Disposable {
  /** To be called right after Miniflare was made: from here on the embedder's own listeners count, while it starts too. */
  takeSignals(): void;
  /** To be called once the runtime is up. */
  watch(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** To be opened right before Miniflare is. */
export function openRuntimeGuard(): RuntimeGuard {
  const children: ChildProcess[] = [];
  // Node announces every child that is started.
  const onChild = (message: unknown) => children.push((message as { process: ChildProcess }).process);
  subscribe('child_process', onChild);
  const listeners = SIGNALS.map((signal) => ({ signal, before: process.listeners(signal) }));
  let watch: Disposable | undefined;

  return {
    takeSignals() {
      for (const { signal, before } of listeners) giveBack(signal, before);
    },
    watch() {
      unsubscribe('child_process', onChild);
      const pids = children.filter((child) => child.spawnfile.includes('workerd')).flatMap(({ pid }) => pid ?? []);
      watch = watchOver(pids, 'KILL');
    },
    [Symbol.dispose]() {
      unsubscribe('child_process', onChild);
      watch?.[Symbol.dispose]();
    },
  };
}

/**
 * Miniflare ends the process at the first signal. Where the embedder listens to the signal itself, it means to stop in
 * order, and Miniflare's listener would cut it short.
 */
function giveBack(signal: NodeJS.Signals, before: NodeJS.SignalsListener[]): void {
  if (before.length === 0) return;
  for (const listener of process.listeners(signal)) {
    if (!before.includes(listener)) process.off(signal, listener);
  }
}
