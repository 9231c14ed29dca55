// The sound of one stream between the socket and the run that hears it: whole samples in order, and a word to the socket
// when there is too much of it.
export type SoundQueue = {
  push(bytes: Uint8Array): void;
  /** The run hears what is here, and then that it is over. Later calls of `push` do nothing. */
  end(): void;
  /** For one reader. */
  readonly input: AsyncIterable<Uint8Array>;
};

export type QueueOptions = {
  /** Above `highBytes` the sender must wait, below `lowBytes` it may go on. */
  readonly highBytes: number;
  readonly lowBytes: number;
  readonly full: () => void;
  readonly roomy: () => void;
};

export function openSoundQueue({ highBytes, lowBytes, full, roomy }: QueueOptions): SoundQueue {
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let isFull = false;
  let ended = false;
  let wake: (() => void) | undefined;

  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const bytes = waiting.shift();
        if (bytes) {
          waitingBytes -= bytes.byteLength;
          if (isFull && waitingBytes <= lowBytes) {
            isFull = false;
            roomy();
          }
          yield bytes;
        } else if (ended) return;
        else {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          await promise;
        }
      }
    } finally {
      // Whoever heard it has gone, so nothing is kept for it.
      ended = true;
      waiting.length = 0;
    }
  }

  return {
    push(bytes) {
      if (ended || bytes.byteLength === 0) return;
      waiting.push(bytes);
      waitingBytes += bytes.byteLength;
      if (!isFull && waitingBytes > highBytes) {
        isFull = true;
        full();
      }
      wake?.();
    },
    end() {
      ended = true;
      wake?.();
    },
    input: { [Symbol.asyncIterator]: read },
  };
}
