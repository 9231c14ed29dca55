// Cuts a finished file into chunks that own their memory, since every chunk is transferred to another thread.

/** Small enough that a slow reader holds little, large enough that a 4096-pixel picture is a few dozen messages. */
const PIECE_BYTES = 1024 * 1024;

export function* pieces(file: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < file.byteLength; at += PIECE_BYTES) {
    // Codecs hand out buffers that V8 cannot transfer, so each piece is copied into memory of its own.
    yield new Uint8Array(file.subarray(at, at + PIECE_BYTES));
  }
}
