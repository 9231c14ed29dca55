// Makes a chunk fit to be transferred to another thread.
import { isMarkedAsUntransferable } from 'node:worker_threads';

/**
 * The same bytes in a buffer of their own. A view of a larger buffer, and a buffer that V8 cannot detach (Node's pool,
 * an addon's memory), must be copied; everything else is given away as it is.
 */
export function ownBytes(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = chunk;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength;
  if (whole && !isMarkedAsUntransferable(buffer)) return new Uint8Array(buffer);
  return new Uint8Array(chunk);
}
