// The socket of one client, made safe: it is asked whether it is there, never sent more than it reads, and gone for sure
// soon after it was closed.
import type { RawData, WebSocket } from 'ws';
import type { StreamBounds } from './bounds.ts';

export type ClientMessage =
  | { readonly partial: true; readonly text: string }
  | { readonly final: true; readonly text: string }
  | { readonly error: string };

export type Client = {
  send(message: ClientMessage): void;
  /** The client's sound waits in its own socket. */
  pause(): void;
  resume(): void;
  readonly paused: boolean;
  /** Resolves when the connection is gone. A second call changes nothing. */
  close(code: number): Promise<void>;
};

export type ClientEvents = {
  /** A binary message, or a text. */
  message(bytes: Uint8Array | undefined, text: string): void;
  /** The connection has ended, by whoever's wish. Called once. */
  gone(): void;
};

export function openClient(socket: WebSocket, bounds: StreamBounds, events: ClientEvents): Client {
  const gone = Promise.withResolvers<void>();
  let answered = true;
  let closeTimer: NodeJS.Timeout | undefined;

  const pinger = setInterval(() => {
    // While it has to wait for us its answers wait too.
    if (!answered && !socket.isPaused) return socket.terminate();
    answered = false;
    socket.ping();
  }, bounds.pingMs);

  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) events.message(bytesOf(data), '');
    else events.message(undefined, bytesOf(data).toString('utf8'));
  });
  socket.on('pong', () => {
    answered = true;
  });
  socket.on('ping', (data: Buffer) => {
    if (socket.bufferedAmount <= bounds.unreadBytes) socket.pong(data);
  });
  // Frames that make no sense, or that are too large: the library closes with the code that says so.
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(pinger);
    clearTimeout(closeTimer);
    gone.resolve();
    events.gone();
  });

  return {
    send(message) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > bounds.unreadBytes) return socket.terminate();
      socket.send(JSON.stringify(message));
    },
    pause: () => socket.pause(),
    resume() {
      // What it was asked meanwhile it could not answer.
      answered = true;
      socket.resume();
    },
    get paused() {
      return socket.isPaused;
    },
    async close(code) {
      if (closeTimer === undefined && socket.readyState !== socket.CLOSED) {
        closeTimer = setTimeout(() => socket.terminate(), bounds.closeMs);
        // Its answer to the close must be read.
        if (socket.isPaused) socket.resume();
        socket.close(code);
      }
      await gone.promise;
    },
  };
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
