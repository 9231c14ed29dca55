// Waiting that a signal can end, and a queue of one: the next may go when the one before has done.

/** The promise's outcome, or the signal's reason if that comes first. The promise itself is not stopped. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

export type Turns = { take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> };

/** First come, first served. One who is aborted while waiting is skipped. */
export function openTurns(): Turns {
  let tail = Promise.resolve();
  return {
    async take(signal, work) {
      const before = tail;
      const { promise, resolve } = Promise.withResolvers<void>();
      tail = promise;
      try {
        await abortable(before, signal);
        return await work();
      } finally {
        void before.then(resolve);
      }
    },
  };
}
