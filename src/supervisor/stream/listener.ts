// The port for live streams, open to the network: it lets in who has a token, and holds everybody else at arm's length.
// A plain WebSocket: whoever wants it encrypted puts a proxy in front.
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { StreamBounds } from './bounds.ts';
import { type Admitted, judgeHandshake } from './handshake.ts';
import type { StreamTokens } from './tokens.ts';

export type Listener = AsyncDisposable & {
  readonly port: number;
  /** Nobody is let in any more; who is in stays. */
  close(): void;
};

export type ListenerOptions = {
  readonly address: string;
  readonly port: number;
  readonly tokens: Pick<StreamTokens, 'modelOf'>;
  readonly bounds: StreamBounds;
  readonly admitted: (socket: WebSocket, stream: Admitted) => void;
};

/** The longest address that is a sensible one, with what a browser adds to it, is far below. */
const HEADER_BYTES_MAX = 8 * 1024;

/** Rejects when the port cannot be had. */
export async function openListener({ address, port, tokens, bounds, admitted }: ListenerOptions): Promise<Listener> {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: bounds.messageBytes,
    perMessageDeflate: false,
    // Answered by whoever knows how much is unread.
    autoPong: false,
  });
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    const found = judgeHandshake(request.url, tokens);
    const [status, text] = found.kind === 'refused' ? [found.status, found.text] : [426, 'this is a WebSocket'];
    response.writeHead(status, {
      'content-type': 'text/plain',
      connection: 'close',
      ...(status === 426 && { upgrade: 'websocket' }),
    });
    response.end(text);
    // Nothing that is asked here has a body.
    request.resume();
  });
  server.maxConnections = bounds.connections;

  const handshakes = new WeakMap<Duplex, NodeJS.Timeout>();
  server.on('connection', (socket) => {
    // Whoever does not become a stream in time leaves, also one that never sends a byte.
    const timer = setTimeout(() => socket.destroy(), bounds.handshakeMs);
    handshakes.set(socket, timer);
    socket.once('close', () => clearTimeout(timer));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    const found = judgeHandshake(request.url, tokens);
    if (found.kind === 'refused') return refuse(socket, found.status, found.text);
    if (sockets.clients.size >= bounds.streams) return refuse(socket, 503, 'too many streams');
    sockets.handleUpgrade(request, socket, head, (client) => {
      clearTimeout(handshakes.get(socket));
      admitted(client, found);
    });
  });

  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', failed);
      listening();
    });
  });
  // From here on an error is one of accepting: the process has no more file descriptors, which will pass.
  server.on('error', () => {});

  return {
    port: (server.address() as AddressInfo).port,
    close: () => void server.close(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await closed;
    },
  };
}

function refuse(socket: Duplex, status: number, text: string): void {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${text}`);
}
