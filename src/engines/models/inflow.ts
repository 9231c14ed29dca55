// The answer to one request for a file. Its pieces are handed on in the same step in which they come and are not kept:
// nothing is lost when the connection breaks, and the next piece may lie in the same memory.
import type { Dispatcher } from 'undici';
import type { Ask } from '../network/guarded-get.ts';

export type Inflow = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> & {
  /**
   * Hands all pieces to `take`; what it returns makes the sender wait. Resolves after the last piece; rejects with the
   * error of the connection, or of `take`.
   */
  pour(take: (piece: Uint8Array) => Promise<void> | undefined): Promise<void>;
  /** Nobody wants the body, or the rest of it. */
  close(): void;
};

/** Resolves when the head of the answer is there; the body waits for `pour`. */
export function openInflow(url: URL, { agent, signal, headers }: Ask): Promise<Inflow> {
  const head = Promise.withResolvers<Inflow>();
  const body = Promise.withResolvers<void>();
  // Whoever pours hears of it; an answer that is only looked at may break unheard.
  body.promise.catch(() => {});
  let control: Dispatcher.DispatchController | undefined;
  let take: (piece: Uint8Array) => Promise<void> | undefined = () => undefined;

  function abort(): void {
    stop(signal.reason);
  }

  function stop(reason: Error): void {
    control?.abort(reason);
    fail(reason);
  }

  function fail(reason: Error): void {
    signal.removeEventListener('abort', abort);
    head.reject(reason);
    body.reject(reason);
  }

  async function wait(behind: Promise<void>): Promise<void> {
    control?.pause();
    try {
      await behind;
      control?.resume();
    } catch (thrown) {
      stop(thrown as Error);
    }
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      control = controller;
      if (signal.aborted) abort();
    },
    onResponseStart(controller, statusCode, answered) {
      // 103 and the like announce the answer.
      if (statusCode < 200) return;
      controller.pause();
      head.resolve({
        ...{ statusCode, headers: answered },
        pour(into) {
          take = into;
          controller.resume();
          return body.promise;
        },
        close: () => stop(new Error('the rest is not wanted')),
      });
    },
    onResponseData(_controller, piece) {
      const behind = take(piece);
      if (behind) void wait(behind);
    },
    onResponseEnd() {
      signal.removeEventListener('abort', abort);
      body.resolve();
    },
    onResponseError: (_controller, error) => fail(error),
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    agent.dispatch({ origin: url.origin, path: url.pathname + url.search, method: 'GET', headers }, handler);
  } catch (thrown) {
    fail(thrown as Error);
  }
  return head.promise;
}
