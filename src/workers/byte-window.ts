// Credit-based backpressure in bytes: a sender may have so much under way, and gets room back as it is written.

/** Room for a few chunks, so that a slow disk never leaves the engine idle; a run holds little more than this. */
export const WINDOW_BYTES = 8 * 1024 * 1024;

export type ByteWindow = {
  /** Resolves once `bytes` more may be sent. One larger than the whole window passes alone. One caller at a time. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
  give(bytes: number): void;
};

export function openByteWindow(windowBytes: number): ByteWindow {
  let underWay = 0;
  let wake: (() => void) | undefined;
  return {
    async take(bytes, signal) {
      signal.throwIfAborted();
      while (underWay > 0 && underWay + bytes > windowBytes) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = () => resolve();
        signal.addEventListener('abort', wake);
        await promise;
        signal.removeEventListener('abort', wake);
        signal.throwIfAborted();
      }
      underWay += bytes;
    },
    give(bytes) {
      underWay -= bytes;
      wake?.();
    },
  };
}
