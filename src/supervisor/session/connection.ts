// One WebSocket to the studio: opening it, frames in and out, and exactly one ending. It knows nothing of jobs, and
// nothing of what frames mean.
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import {
  FRAME_BYTES_MAX,
  type FrameMisfit,
  parseStudioFrame,
  type StudioFrame,
  SUBPROTOCOL,
  type WorkerFrame,
} from '../../protocol/index.ts';
import { endOfClose, endOfUpgrade, type SessionEnd } from './session-end.ts';

export type ConnectionTimes = {
  /** TCP, TLS and upgrade together, in ms. */
  readonly connectMs: number;
  /** Longest silence of the studio, in ms. Pings do not count: only frames show that its application is alive. */
  readonly readIdleMs: number;
  /** How long a close frame may take to go out, in ms. */
  readonly closeMs: number;
};

export const CONNECTION_TIMES: ConnectionTimes = { connectMs: 15_000, readIdleMs: 20_000, closeMs: 5_000 };

export type ConnectionOptions = {
  /** May throw: an address that cannot be built is a failed connection like any other. */
  readonly url: () => URL;
  readonly authToken: string;
  readonly times: ConnectionTimes;
  readonly onOpen: () => void;
  readonly onFrame: (frame: StudioFrame) => void;
  readonly onMisfit: (misfit: FrameMisfit) => void;
};

export interface Connection {
  /** Resolves once, whatever the cause; never rejects. */
  readonly ended: Promise<SessionEnd>;
  /** Resolves with whether the frame was handed to the operating system. */
  send(frame: WorkerFrame): Promise<boolean>;
  /** Ends the connection: sends a close frame, and gives up on it after `closeMs`. */
  close(end: SessionEnd, reason: string): void;
}

/** Never throws. */
export function openConnection(options: ConnectionOptions): Connection {
  try {
    return connect(options);
  } catch (error) {
    // A base URL or a token that cannot stand in a request. `ws` and `http` quote neither in what they throw.
    const why = `connection failed: ${error instanceof Error ? error.message : String(error)}`;
    const ended = Promise.resolve<SessionEnd>({ kind: 'disconnected', why });
    return { ended, send: () => Promise.resolve(false), close: () => {} };
  }
}

function connect(options: ConnectionOptions): Connection {
  const { promise: ended, resolve } = Promise.withResolvers<SessionEnd>();
  const socket = new WebSocket(options.url(), SUBPROTOCOL, {
    headers: { authorization: `Bearer ${options.authToken}` },
    maxPayload: FRAME_BYTES_MAX,
    // Frames are small and local latency counts more than bytes.
    perMessageDeflate: false,
    followRedirects: false,
  });
  // Not the `handshakeTimeout` of `ws`: that one only limits silence, so a peer that drips its answer could hold us.
  const connectTimer = setTimeout(() => {
    ownEnd ??= { kind: 'disconnected', why: `no connection within ${options.times.connectMs} ms` };
    socket.terminate();
  }, options.times.connectMs);
  let settled = false;
  let idleTimer: NodeJS.Timeout | undefined;
  let closeTimer: NodeJS.Timeout | undefined;
  // What the worker itself said about the end wins over the close that follows from it.
  let ownEnd: SessionEnd | undefined;

  const settle = (end: SessionEnd): void => {
    if (settled) return;
    settled = true;
    clearTimeout(connectTimer);
    clearTimeout(idleTimer);
    clearTimeout(closeTimer);
    resolve(ownEnd ?? end);
  };
  const close = (end: SessionEnd, reason: string): void => {
    if (settled || ownEnd !== undefined) return;
    ownEnd = end;
    clearTimeout(idleTimer);
    closeTimer = setTimeout(() => socket.terminate(), options.times.closeMs);
    socket.close(1000, reason);
  };
  const heard = (): void => {
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => {
      const why = `nothing heard from the studio for ${options.times.readIdleMs} ms`;
      // A silent peer will not answer a close either.
      ownEnd = { kind: 'disconnected', why };
      socket.terminate();
    }, options.times.readIdleMs);
  };

  socket.on('open', () => {
    clearTimeout(connectTimer);
    heard();
    options.onOpen();
  });
  socket.on('message', (data, isBinary) => {
    if (settled || ownEnd !== undefined) return;
    heard();
    if (isBinary) return options.onMisfit({ kind: 'invalid', problem: 'a binary message' });
    const parsed = parseStudioFrame(data.toString());
    if (parsed.kind === 'frame') options.onFrame(parsed.frame);
    else options.onMisfit(parsed);
  });
  socket.on('unexpected-response', (request, response) => {
    // Kept now: once its answer is read, a request lets go of its socket, which the peer may keep open for seconds.
    const line = response.socket;
    void readBody(response).then((body) => {
      settle(endOfUpgrade(response.statusCode ?? 0, body));
      request.destroy();
      line.destroy();
    });
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    const tooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    const why = tooLarge ? `a frame of more than ${FRAME_BYTES_MAX} bytes` : error.message;
    // `close` follows for an open socket; before that, the error is the end.
    ownEnd ??= { kind: 'disconnected', why: `connection failed: ${why}` };
  });
  socket.on('close', (code, reason) => settle(endOfClose(code, reason.toString())));

  return {
    ended,
    send: (frame) =>
      new Promise((sent) => {
        if (settled || ownEnd !== undefined || socket.readyState !== WebSocket.OPEN) return sent(false);
        socket.send(JSON.stringify(frame), (error) => sent(error === undefined || error === null));
      }),
    close,
  };
}

/** Bytes of a refused upgrade's answer that are read. */
const REFUSAL_BYTES_MAX = 4_096;

async function readBody(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of response) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // A refusal whose body breaks off is still a refusal; its status says enough.
  }
  return Buffer.concat(pieces).toString('utf8');
}
