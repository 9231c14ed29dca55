// Turns Ctrl-C and SIGTERM into an abort, once; a second one ends the process in the usual way.

export interface StopSignal extends Disposable {
  readonly signal: AbortSignal;
}

export function openStopSignal(): StopSignal {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const stop = (name: NodeJS.Signals) => {
    release();
    controller.abort(new Error(`stopped by ${name}`));
  };
  const release = () => {
    for (const name of names) process.off(name, stop);
  };
  for (const name of names) process.on(name, stop);
  return { signal: controller.signal, [Symbol.dispose]: release };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
