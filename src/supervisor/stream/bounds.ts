// What one stream, and all of them together, may cost this worker.
export type StreamBounds = {
  /** A message of a client; a minute of sound has two megabytes. In bytes. */
  readonly messageBytes: number;
  /** Sound that waits for a model which is slower than speech; then the client has to wait. In bytes: ten seconds. */
  readonly queueBytes: number;
  /** What a client has not read yet, before it counts as gone. In bytes. */
  readonly unreadBytes: number;
  /** Messages of one client that make no sense. */
  readonly nonsense: number;
  /** Connections, those that only shake hands included, and streams among them. */
  readonly connections: number;
  readonly streams: number;
  /** From the connection to the end of the handshake, in ms. The contract's. */
  readonly handshakeMs: number;
  /** From the last message to the final text, in ms: a client that sends nothing is silent. */
  readonly quietMs: number;
  /** From the first message to the final text, in ms: an hour. */
  readonly streamMs: number;
  /** How often a client is asked whether it is still there, in ms. */
  readonly pingMs: number;
  /** How long a client may take to close after it was told to, in ms. The contract's. */
  readonly closeMs: number;
  /** How long streams get to their final texts when the worker stops, in ms. */
  readonly stopMs: number;
};

export const STREAM_BOUNDS: StreamBounds = {
  messageBytes: 1024 * 1024,
  queueBytes: 320_000,
  unreadBytes: 1024 * 1024,
  nonsense: 100,
  connections: 64,
  streams: 16,
  handshakeMs: 10_000,
  quietMs: 30_000,
  streamMs: 3_600_000,
  pingMs: 15_000,
  closeMs: 1_000,
  stopMs: 3_000,
};
