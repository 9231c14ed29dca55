// What a run receives while it runs: bytes from an iterable at the host's side, as an iterable at the engine's. As much
// may be under way as the window has room for; a chunk counts until the engine comes back for the next one.
//
//   source ─next→ pump ──input, inputEnd──▶ queue ─next→ engine
//                      ◀──inputCredit──────
import { openByteWindow } from './byte-window.ts';
import type { RunCommand, RunEvent } from './messages.ts';
import { ownBytes } from './own-bytes.ts';

/** Some eight seconds of 16 kHz speech: enough that an engine never waits for the port, little enough to stop at once. */
export const INPUT_WINDOW_BYTES = 256 * 1024;

type InputCommand = Extract<RunCommand, { kind: 'input' | 'inputEnd' }>;

export type InputPump = {
  /** The engine has done with so many bytes. */
  give(bytes: number): void;
  /** The engine has nothing to do until more comes, so its silence says nothing. */
  readonly idle: boolean;
  /** Takes no more from the source, and lets it go. */
  stop(): void;
};

/** `failed`: the source threw. The bytes of a chunk are given away. */
export function openInputPump(
  source: AsyncIterable<Uint8Array>,
  tell: (command: InputCommand, transfer: ArrayBuffer[]) => void,
  failed: (thrown: unknown) => void,
): InputPump {
  const stopping = new AbortController();
  const window = openByteWindow(INPUT_WINDOW_BYTES);
  const iterator = source[Symbol.asyncIterator]();
  let underWay = 0;
  let ended = false;

  async function pump(): Promise<void> {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      if (stopping.signal.aborted) return;
      if (next.value.byteLength === 0) continue;
      const bytes = ownBytes(next.value);
      underWay += bytes.byteLength;
      await window.take(bytes.byteLength, stopping.signal);
      tell({ kind: 'input', bytes }, [bytes.buffer]);
    }
    ended = true;
    if (!stopping.signal.aborted) tell({ kind: 'inputEnd' }, []);
  }
  pump().catch((thrown) => {
    // What a stopped pump runs into is nobody's business any more.
    if (!stopping.signal.aborted) failed(thrown);
  });

  return {
    give(bytes) {
      underWay -= bytes;
      window.give(bytes);
    },
    get idle() {
      return !ended && underWay === 0;
    },
    stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      void iterator.return?.()?.catch(() => {});
    },
  };
}

export type InputQueue = {
  command(command: InputCommand): void;
  /** For one reader. Rejects with the signal's reason once it aborts. */
  readonly input: AsyncIterable<Uint8Array>;
};

export function openInputQueue(post: (event: RunEvent) => void, signal: AbortSignal): InputQueue {
  const waiting: Uint8Array[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });

  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      signal.throwIfAborted();
      const bytes = waiting.shift();
      if (bytes) {
        // Told apart from the chunk itself, whose buffer the engine may give away.
        const { byteLength } = bytes;
        yield bytes;
        post({ kind: 'inputCredit', bytes: byteLength });
      } else if (ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
  }

  return {
    command(command) {
      if (command.kind === 'input') waiting.push(command.bytes);
      else ended = true;
      wake?.();
    },
    input: { [Symbol.asyncIterator]: read },
  };
}
