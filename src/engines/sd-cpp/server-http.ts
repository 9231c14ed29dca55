// The few HTTP calls that sd-server is asked with. Every call has a connection of its own, since an idle one holds one
// of the server's few threads for five seconds.
import { request } from 'undici';

export type Answer = { readonly status: number; readonly json: unknown };

/** A poll took 2.5 s beside ten synchronous jobs; past this the server is stuck. */
const HEADERS_MS = 30_000;

export function getJson(url: string, signal: AbortSignal): Promise<Answer> {
  return ask('GET', url, undefined, signal);
}

/** `body` undefined sends `Content-Length: 0`: without that header the server waits for five seconds. */
export function postJson(url: string, body: unknown, signal: AbortSignal): Promise<Answer> {
  return ask('POST', url, body === undefined ? '' : JSON.stringify(body), signal);
}

async function ask(
  method: 'GET' | 'POST',
  url: string,
  body: string | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await request(url, {
    method,
    signal,
    reset: true,
    headersTimeout: HEADERS_MS,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
