// A response's body as pieces, none of which is lost. A stream that breaks throws away what it holds and nobody has read;
// here that could be a megabyte that would have to be fetched again.
import type { Readable } from 'node:stream';

/** Held at most before the sender is made to wait. */
const HELD_BYTES_MAX = 256 * 1024;

/** Call it in the same step in which the body was received. Rejects with the body's error after the last piece. */
export function openInflow(body: Readable): AsyncIterable<readonly Uint8Array[]> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let end: { readonly error: Error | undefined } | undefined;
  let wake = Promise.withResolvers<void>();

  function ended(error: Error | undefined): void {
    end ??= { error };
    wake.resolve();
  }

  body.on('data', (piece: Uint8Array) => {
    held.push(piece);
    heldBytes += piece.byteLength;
    if (heldBytes >= HELD_BYTES_MAX) body.pause();
    wake.resolve();
  });
  body.on('end', () => ended(undefined));
  body.on('error', ended);
  body.on('close', () => ended(new Error('the connection was closed')));

  return {
    async *[Symbol.asyncIterator]() {
      while (true) {
        if (held.length > 0) {
          const pieces = held;
          held = [];
          heldBytes = 0;
          if (body.isPaused()) body.resume();
          yield pieces;
        } else if (end) {
          if (end.error) throw end.error;
          return;
        } else {
          wake = Promise.withResolvers();
          await wake.promise;
        }
      }
    },
  };
}
