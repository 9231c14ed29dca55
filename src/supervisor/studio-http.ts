// The studio's HTTP side as the worker sees it: one call, bounded in time and answer size, with errors that say what
// the studio answered.
import { Agent, type Dispatcher, type FormData, request } from 'undici';

/** The studio answered, but not with a 2xx. */
export class StudioStatusError extends Error {
  static {
    StudioStatusError.prototype.name = 'StudioStatusError';
  }
  readonly status: number;

  constructor(operation: string, status: number, body: string) {
    super(`${operation} failed: ${status} — ${body}`);
    this.status = status;
  }
}

export type StudioCall = {
  /** Names the call in errors: `register-request`, `register-poll`, `complete`. */
  operation: string;
  url: URL;
  method: 'GET' | 'POST';
  bearer?: string;
  json?: unknown;
  form?: FormData;
  signal: AbortSignal;
};

/** Silence after which a call is given up, in ms. It restarts with every piece of an upload that the studio takes. */
const STALL_MS = 60_000;

/** What is read of an answer, in bytes. The studio's answers are short; an error page may not be. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Characters of an error's answer that are quoted. */
const QUOTED_CHARS_MAX = 300;

/**
 * Our own and not the global one: that may belong to the copy of undici inside Node (importing `node:http` is enough),
 * which cannot read the `FormData` of this copy and then waits for ever without sending a byte.
 */
const agent = new Agent({ headersTimeout: STALL_MS, bodyTimeout: STALL_MS });

/** Resolves with the parsed JSON answer (or `undefined` when it is empty or not JSON) of a 2xx. */
export async function callStudio(call: StudioCall): Promise<unknown> {
  const response = await request(call.url, {
    method: call.method,
    headers: {
      ...(call.bearer === undefined ? {} : { authorization: `Bearer ${call.bearer}` }),
      ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: call.json === undefined ? (call.form ?? null) : JSON.stringify(call.json),
    dispatcher: agent,
    signal: call.signal,
  });
  const text = await readBounded(response);
  if (response.statusCode < 200 || response.statusCode > 299) {
    throw new StudioStatusError(call.operation, response.statusCode, clip(text.trim()));
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readBounded(response: Dispatcher.ResponseData): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response.body) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) break; // Leaving the loop destroys the stream, so the rest is never read.
  }
  return Buffer.concat(pieces).toString('utf8');
}

function clip(text: string): string {
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text;
}
