// Sits between a worker and the studio and notes when each frame and each upload passes. It forwards everything
// unchanged, so what is measured is the worker as it really talks to the real studio.
import { createServer, type IncomingMessage } from 'node:http';
import { request } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';

export type Passing = { readonly from: 'worker' | 'studio'; readonly frame: Frame; readonly atMs: number };
export type Frame = { type: string; jobId?: string; claim?: { jobId: string }; [key: string]: unknown };

export interface Tap extends AsyncDisposable {
  readonly url: string;
  /** Called synchronously for each frame; an upload shows as a worker's frame of type `upload`, at its end. */
  onPassing: (passing: Passing) => void;
}

export async function openTap(studioUrl: string): Promise<Tap> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
  const tap = { onPassing: (_: Passing): void => {} };
  const pass = (from: Passing['from'], frame: Frame): void => tap.onPassing({ from, frame, atMs: performance.now() });

  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const answer = await request(studioUrl + incoming.url, {
        method: incoming.method as 'GET',
        headers: headersOf(incoming),
        body: incoming.method === 'GET' ? null : incoming,
      });
      const job = /\/jobs\/([^/]+)\/complete$/.exec(incoming.url ?? '')?.[1];
      if (job !== undefined) pass('worker', { type: 'upload', jobId: job });
      outgoing.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']) });
      outgoing.end(Buffer.from(await answer.body.arrayBuffer()));
    })();
  });
  server.on('upgrade', (incoming, socket, head) => {
    const studio = new WebSocket(studioUrl.replace('http', 'ws') + incoming.url, 'studio-worker-v1', {
      headers: { authorization: String(incoming.headers.authorization) },
      perMessageDeflate: false,
    });
    studio.once('open', () => {
      sockets.handleUpgrade(incoming, socket, head, (worker) => {
        join(worker, studio, (text) => pass('worker', text));
        join(studio, worker, (text) => pass('studio', text));
      });
    });
    studio.once('error', () => socket.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the tap has no port');

  return Object.assign(tap, {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  });
}

function join(from: WebSocket, to: WebSocket, note: (frame: Frame) => void): void {
  from.on('message', (data, isBinary) => {
    if (!isBinary) note(JSON.parse(data.toString()));
    to.send(data, { binary: isBinary });
  });
  from.on('close', (code, reason) => to.close(code >= 1000 && code !== 1005 && code !== 1006 ? code : 1000, reason));
  from.on('error', () => to.terminate());
}

function headersOf(incoming: IncomingMessage): Record<string, string> {
  const { authorization, 'content-type': contentType, 'content-length': length } = incoming.headers;
  return {
    ...(authorization === undefined ? {} : { authorization }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(length === undefined ? {} : { 'content-length': length }),
  };
}
