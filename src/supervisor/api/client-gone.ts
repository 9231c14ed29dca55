// Whether the client still waits for its answer.
import type { ServerResponse } from 'node:http';

/** Aborts when the connection ends before the answer is out. */
export function clientGone(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  const look = (): void => {
    if (!outgoing.writableFinished) gone.abort(new Error('the client has gone'));
  };
  if (outgoing.destroyed) look();
  else outgoing.once('close', look);
  return gone.signal;
}
