// A studio's WebSocket side that a test drives by hand: it says what the test says, and keeps what it was told.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { parseWorkerFrame, SUBPROTOCOL, type WorkerFrame } from '../../src/protocol/index.ts';

type FrameOf<T extends WorkerFrame['type']> = Extract<WorkerFrame, { type: T }>;

export type Peer = {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** Everything the worker has sent, in order. */
  readonly received: WorkerFrame[];
  /** Resolves with the first frame of this type that was not yet asked for. */
  next<T extends WorkerFrame['type']>(type: T): Promise<FrameOf<T>>;
  say(frame: unknown): void;
  /** Code and reason of the worker's close; 1006 without one. */
  readonly closed: Promise<{ code: number; reason: string }>;
};

export type ScriptedStudio = AsyncDisposable & {
  readonly base: string;
  /** Resolves with the next connection that was not yet asked for. */
  peer(): Promise<Peer>;
  /** Upgrades from now on are answered by this instead. */
  refuse(how: (socket: Duplex, request: IncomingMessage) => void): void;
};

export async function scriptedStudio(options: { subprotocol?: false } = {}): Promise<ScriptedStudio> {
  const arrivals = new EventTarget();
  const peers: Peer[] = [];
  const sockets = new Set<Duplex>();
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: 1024 ** 3,
    handleProtocols: (offered) => (options.subprotocol !== false && offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  let refusal: ((socket: Duplex, request: IncomingMessage) => void) | undefined;
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (refusal !== undefined) return refusal(socket, request);
    wss.handleUpgrade(request, socket, head, (opened) => {
      peers.push(toPeer(opened, request));
      arrivals.dispatchEvent(new Event('peer'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async peer() {
      while (peers.length === 0) await once(arrivals, 'peer');
      return peers.shift() as Peer;
    },
    refuse(how) {
      refusal = how;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function toPeer(socket: WebSocket, request: IncomingMessage): Peer {
  const received: WorkerFrame[] = [];
  const unread: WorkerFrame[] = [];
  const arrivals = new EventTarget();
  const closing = Promise.withResolvers<{ code: number; reason: string }>();
  socket.on('error', () => {});
  socket.on('message', (data) => {
    const parsed = parseWorkerFrame(data.toString());
    if (parsed.kind !== 'frame') throw new Error(`the worker sent what is no frame: ${JSON.stringify(parsed)}`);
    received.push(parsed.frame);
    unread.push(parsed.frame);
    arrivals.dispatchEvent(new Event('frame'));
  });
  socket.on('close', (code, reason) => closing.resolve({ code, reason: reason.toString() }));
  return {
    socket,
    request,
    received,
    async next<T extends WorkerFrame['type']>(type: T): Promise<FrameOf<T>> {
      while (true) {
        const index = unread.findIndex((frame) => frame.type === type);
        if (index >= 0) return unread.splice(index, 1)[0] as FrameOf<T>;
        await once(arrivals, 'frame');
      }
    },
    say: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    closed: closing.promise,
  };
}

/** A refusal over plain HTTP. */
export function httpRefusal(status: number, body: string): (socket: Duplex) => void {
  return (socket) => {
    socket.end(
      `HTTP/1.1 ${status} No\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  };
}
