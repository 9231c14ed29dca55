// A studio's HTTP side that answers as a test tells it to, one answer a request, and keeps what it was asked.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Asked = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** When the request had arrived completely, on a monotonic clock in ms. */
  readonly atMs: number;
};

/** A status with a body (JSON unless it is text), or a function that does as it likes with the response. */
export type Answer =
  | readonly [status: number, body?: unknown]
  | ((response: ServerResponse, asked: Asked) => void | Promise<void>);

export type ScriptedHttp = AsyncDisposable & {
  readonly base: string;
  readonly asked: Asked[];
  /** Adds answers for the next requests. A request beyond the last answer gets a 599. */
  answer(...answers: Answer[]): void;
  /** Resolves when this many requests have arrived. */
  arrived(count: number): Promise<void>;
};

export async function scriptedHttp(...first: Answer[]): Promise<ScriptedHttp> {
  const answers: Answer[] = [...first];
  const asked: Asked[] = [];
  const arrivals = new EventTarget();
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      return; // The caller went away in the middle of its request.
    }
    const { method = '', url = '', headers } = request;
    const one: Asked = { method, url, headers, body: Buffer.concat(pieces), atMs: performance.now() };
    asked.push(one);
    arrivals.dispatchEvent(new Event('one'));
    const answer = answers.shift() ?? [599, 'the test has no answer for this'];
    if (typeof answer === 'function') return answer(response, one);
    const [status, body] = answer;
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (...more) => void answers.push(...more),
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
