// A server of one file that misbehaves as a test tells it to, one request at a time, and keeps what it was asked.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Behaviour = {
  /** Instead of 200 or 206. */
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `"one"`; null: none. */
  readonly etag?: string | null;
  /** Another file under the same URL. */
  readonly data?: Buffer;
  /** The connection breaks after so many bytes of this answer. */
  readonly dropAfter?: number;
  /** Nothing more comes after so many bytes of this answer, and the connection stays open. */
  readonly stallAfter?: number;
  /** Sent one piece after the other, this long. */
  readonly pieceBytes?: number;
  readonly ignoreRange?: boolean;
  /** Answers a range whatever `If-Range` says, as some servers do. */
  readonly ignoreIfRange?: boolean;
  /** Without a length, in chunks. */
  readonly chunked?: boolean;
};

export type FileServer = AsyncDisposable & {
  readonly base: string;
  readonly asked: { readonly url: string; readonly headers: IncomingHttpHeaders }[];
  /** For the next requests; afterwards the file is simply served. */
  next(...behaviours: Behaviour[]): void;
  /** Resolves when so many requests have arrived. */
  arrived(count: number): Promise<void>;
};

export async function fileServer(file: Buffer): Promise<FileServer> {
  const asked: FileServer['asked'] = [];
  const behaviours: Behaviour[] = [];
  const arrivals = new EventTarget();
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', headers: request.headers });
    void answer(request, response, behaviours.shift() ?? {}, file);
    arrivals.dispatchEvent(new Event('one'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    next: (...more) => void behaviours.push(...more),
    async arrived(count) {
      while (asked.length < count) await once(arrivals, 'one');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  behaviour: Behaviour,
  file: Buffer,
): Promise<void> {
  const { etag = '"one"', data = file } = behaviour;
  const tag = etag === null ? {} : { etag };
  if (behaviour.status !== undefined) {
    response.writeHead(behaviour.status, { ...tag, ...behaviour.headers });
    return void response.end(behaviour.body);
  }
  const { range, 'if-range': ifRange } = request.headers;
  const asked = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? Number.NaN);
  const outdated = ifRange !== undefined && ifRange !== etag && !behaviour.ignoreIfRange;
  const whole = Number.isNaN(asked) || behaviour.ignoreRange || outdated;
  if (!whole && asked >= data.length) {
    response.writeHead(416, { ...tag, 'content-range': `bytes */${data.length}` });
    return void response.end();
  }
  const from = whole ? 0 : asked;
  response.writeHead(whole ? 200 : 206, {
    ...tag,
    ...(!behaviour.chunked && { 'content-length': data.length - from }),
    ...(!whole && { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` }),
    ...behaviour.headers,
  });
  const most = behaviour.dropAfter ?? behaviour.stallAfter ?? data.length;
  const body = data.subarray(from, from + most);
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + (behaviour.pieceBytes ?? body.length));
    at += piece.length;
    await new Promise((written) => response.write(piece, written));
  }
  if (behaviour.stallAfter !== undefined) return;
  if (behaviour.dropAfter === undefined) return void response.end();
  // The end of the connection, not a reset: what was sent arrives.
  response.socket?.end();
}
