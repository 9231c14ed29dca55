// One GET for the updater. Redirects are followed by hand, since each of their targets must be allowed too; whatever
// answers is bounded in time and size.
import { Agent, type Dispatcher, request } from 'undici';
import { packageVersion } from '../machine.ts';
import { allowedAddress } from './allowed-address.ts';
import { UpdateError, type UpdateErrorCode } from './update-error.ts';

/** GitHub redirects a download once, a renamed repository once more. */
const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export type Get = {
  readonly url: string;
  /** Names the thing in messages: `the feed`. */
  readonly what: string;
  readonly feed: URL;
  /** The code of an answer that is no 2xx, and of a connection that fails. */
  readonly failure: UpdateErrorCode;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** Silence after which it is given up, in ms. */
  readonly stallMs: number;
};

export type Answer = AsyncDisposable & {
  readonly body: AsyncIterable<Buffer>;
  readonly contentLength: number | undefined;
  readonly contentType: string;
};

/** Resolves with a 2xx answer, whose body the caller reads or leaves. */
export async function get(options: Get): Promise<Answer> {
  const { what, failure, stallMs } = options;
  // A dispatcher of its own: nothing stays open between two checks that are half an hour apart.
  const agent = new Agent({ headersTimeout: stallMs, bodyTimeout: stallMs, connect: { timeout: stallMs } });
  try {
    const answer = await follow(options, agent);
    const { statusCode, headers, body } = answer;
    if (statusCode < 200 || statusCode > 299) {
      throw new UpdateError(failure, `${what} cannot be had: its server answers ${statusCode}`);
    }
    const length = Number(one(headers['content-length']) ?? Number.NaN);
    return {
      body: named(body, what, failure),
      contentLength: Number.isSafeInteger(length) ? length : undefined,
      contentType: one(headers['content-type']) ?? '',
      [Symbol.asyncDispose]: () => agent.destroy(),
    };
  } catch (thrown) {
    await agent.destroy();
    throw asUpdateError(thrown, what, failure);
  }
}

async function follow({ url, what, feed, accept, signal }: Get, agent: Agent): Promise<Dispatcher.ResponseData> {
  let hop = allowedAddress(url, what, feed);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const answer = await request(hop, {
      dispatcher: agent,
      signal,
      headers: {
        'user-agent': `studio-worker/${packageVersion()}`,
        accept,
        // Sizes and digests are of the bytes as they are.
        'accept-encoding': 'identity',
      },
    });
    const location = one(answer.headers.location);
    if (!REDIRECTS.has(answer.statusCode) || location === undefined) return answer;
    await answer.body.dump({ limit: 64 * 1024 });
    hop = allowedAddress(location, `${what}, by a redirect,`, feed, hop);
  }
  throw new UpdateError('DOWNLOAD_FAILED', `${what} is behind more than ${REDIRECTS_MAX} redirects`);
}

/** Reads all of a short answer. */
export async function readText({ body }: Answer, bytesMax: number, tooLong: () => UpdateError): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLong();
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** A body whose connection breaks off says of what it was the body. */
async function* named(body: AsyncIterable<Buffer>, what: string, failure: UpdateErrorCode): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (thrown) {
    throw asUpdateError(thrown, what, failure);
  }
}

function asUpdateError(thrown: unknown, what: string, failure: UpdateErrorCode): UpdateError {
  if (thrown instanceof UpdateError) return thrown;
  return new UpdateError(failure, `${what} cannot be had: ${reasonOf(thrown)}`, { cause: thrown });
}

/** Node joins failed attempts at several addresses into an error without a message. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(reasonOf).join(', ');
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === 'TimeoutError') return 'no answer in time';
  return thrown.message || String((thrown as { code?: unknown }).code ?? thrown.name);
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
