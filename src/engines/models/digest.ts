// The digest of a file that is already on disk.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Large enough that reading is not the bottleneck, small enough to be cancelled at once. */
const READ_BYTES = 1024 * 1024;

/** `hashed` is told the bytes so far, several times a second. */
export async function digestOf(path: string, signal: AbortSignal, hashed: (bytes: number) => void): Promise<string> {
  return (await hashStart(path, Number.POSITIVE_INFINITY, signal, hashed)).digest('hex');
}

/** The hash after the file's first `bytes`, ready to go on. */
export async function hashStart(
  path: string,
  bytes: number,
  signal: AbortSignal,
  hashed: (bytes: number) => void,
): Promise<Hash> {
  const hash = createHash('sha256');
  if (bytes === 0) return hash;
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: READ_BYTES, signal })) {
      hash.update(chunk);
      done += chunk.length;
      hashed(done);
    }
  } catch (thrown) {
    // The stream says only that it was aborted; the caller wants to know why.
    signal.throwIfAborted();
    throw thrown;
  }
  return hash;
}
