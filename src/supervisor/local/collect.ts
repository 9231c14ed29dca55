// Gathers a binary result in memory. It is handed to a program on this machine as soon as it is whole, and most are a few
// hundred KB, so a file in between would only cost time and leave something behind after a crash.
import { Failure } from '../../protocol/index.ts';

/** Ten minutes of 1080p video; an hour of speech as WAV is a third of it. Several jobs may hold as much at a time. */
export const RESULT_BYTES_MAX = 512 * 1024 ** 2;

export type Collector = {
  /** Throws when the result has become too large. */
  add(chunk: Uint8Array): void;
  bytes(): Uint8Array;
};

export function openCollector(bytesMax: number = RESULT_BYTES_MAX): Collector {
  let chunks: Uint8Array[] = [];
  let byteLength = 0;
  return {
    add(chunk) {
      byteLength += chunk.byteLength;
      if (byteLength > bytesMax) {
        chunks = [];
        const limit = `${Math.floor(bytesMax / 1024 ** 2)} MiB`;
        throw new Failure(
          'INPUT_INVALID',
          `the result is larger than ${limit}, which is the most that is kept in memory: ask for less`,
        );
      }
      chunks.push(chunk);
    },
    bytes() {
      const [only] = chunks;
      const whole = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, byteLength);
      chunks = [];
      return whole;
    },
  };
}
