// Answers given before a request has reached a route: plain, and without trusting the client to stop sending.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a refused client may go on sending before the connection is cut, in ms. It has its answer already. */
const LINGER_MS = 2_000;

/**
 * Sends a text and ends the connection once the body has ended or the time is over. Cutting it at once would reset it, and
 * a client that is still sending would then see a broken connection and not the reason.
 */
export function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (outgoing.headersSent || outgoing.destroyed) return void outgoing.destroy();
  const body = Buffer.from(text);
  outgoing.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...headers,
    'content-length': body.byteLength,
    connection: 'close',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  });
  linger(incoming, outgoing);
  outgoing.write(body);
}

function linger(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const end = (): void => {
    clearTimeout(timer);
    outgoing.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  if (incoming.complete) return end();
  incoming.on('end', end).on('error', end).on('close', end);
  incoming.resume();
}

export function answerJson(outgoing: ServerResponse, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': body.byteLength });
  outgoing.end(body);
}
