// Reads what a client sends, within bounds: of one body, and of all bodies together, since each may be 64 MiB and hundreds
// may come at a time.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { ApiError, badRequest } from './problem.ts';

const MIB = 1024 * 1024;
export const JSON_BYTES_MAX = 1 * MIB;
/** Pictures and recordings travel inside a body. */
export const UPLOAD_BYTES_MAX = 64 * MIB;
/** What all requests that are being answered may have sent, together. */
const HELD_BYTES_MAX = 256 * MIB;

export type Exchange = { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };

let heldBytes = 0;

/** Rejects with 413 for a body above the limit, whether it was announced or not. The bytes count as held until the answer is out. */
export async function readBody({ incoming, outgoing }: Exchange, bytesMax: number): Promise<Buffer> {
  if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  // Sent here and not by Node, so that a client whose body nobody wants does not send it.
  if (/100-continue/i.test(incoming.headers.expect ?? '')) outgoing.writeContinue();
  const chunks: Buffer[] = [];
  let bytes = 0;
  outgoing.once('close', () => {
    heldBytes -= bytes;
  });
  for await (const chunk of chunksOf(incoming)) {
    if (bytes + chunk.byteLength > bytesMax) throw tooLarge(bytesMax);
    if (heldBytes + chunk.byteLength > HELD_BYTES_MAX) {
      const message = 'too much is being uploaded at a time, send it again later';
      throw new ApiError({ status: 503, code: 'uploads_full', message, retryAfterSecs: 2 });
    }
    bytes += chunk.byteLength;
    heldBytes += chunk.byteLength;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** Leaves the connection open when it is left early, since the client has to hear why. */
async function* chunksOf(incoming: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* incoming.iterator({ destroyOnReturn: false });
  } catch (cause) {
    throw new ApiError({ status: 400, code: 'bad_request', message: 'the body ended early' }, { cause });
  }
}

/** `bad json: …` for what is no JSON, and for JSON that is not what the route takes. */
export async function readJson<Schema extends z.ZodType>(
  exchange: Exchange,
  schema: Schema,
  bytesMax = JSON_BYTES_MAX,
): Promise<z.output<Schema>> {
  const body = await readBody(exchange, bytesMax);
  return checked(parsed(body), schema);
}

export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (thrown) {
    throw badRequest(`bad json: ${(thrown as Error).message}`);
  }
}

export function checked<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const result = parsedBy(schema, value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  throw badRequest(`bad json: ${param === '' ? '' : `${param}: `}${issue?.message ?? 'not what was expected'}`, param);
}

function parsedBy<Schema extends z.ZodType>(schema: Schema, value: unknown): z.ZodSafeParseResult<z.output<Schema>> {
  try {
    return schema.safeParse(value);
  } catch (thrown) {
    // Checking a value that is nested some ten thousand levels deep runs out of stack.
    if (thrown instanceof RangeError) throw badRequest('bad json: nested too deeply');
    throw thrown;
  }
}

function tooLarge(bytesMax: number): ApiError {
  return new ApiError({ status: 413, code: 'body_too_large', message: `request body exceeds ${bytesMax} bytes` });
}
