// A task's input (an image, a mask, a recording) from its URL into a file: under the same rules as model files, with a
// limit on its size, and with the extension that its content asks for.
import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pRetry from 'p-retry';
import { Failure } from '../../protocol/failure.ts';
import type { NetworkPolicy } from '../engine.ts';
import { openGuardedAgent } from '../network/guarded-agent.ts';
import { type GuardedGet, guardedGet, one } from '../network/guarded-get.ts';
import { allowedUrl } from '../network/url-rule.ts';
import { dataUrlBytes, tooLarge } from './data-url.ts';
import { fileType, MAGIC_BYTES } from './file-type.ts';

/** What takes longer than this, and a second for each megabyte that it may have, keeps a GPU waiting for nothing. In ms. */
const BASE_MS = 120_000;
const BYTES_PER_MS = 1_000;
/** The longest delay that a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const RETRIES = 2;
const RETRY_FIRST_MS = 500;

export type InputContext = {
  /** Where the file is made. The caller removes it, usually with the folder. */
  readonly dir: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly network: NetworkPolicy;
  /** Names the input in failures, e.g. `the mask`. */
  readonly what: string;
  /** Time before the first retry, in ms. Default 500. */
  readonly retryMs?: number;
};

export type Input = { readonly path: string; readonly bytes: number };

/** Takes https, `data:` (base64) and, as far as the policy goes, http to this machine. Leaves nothing when it rejects. */
export async function fetchInput(url: string, context: InputContext): Promise<Input> {
  const { dir, maxBytes, what, signal } = context;
  signal.throwIfAborted();
  if (/^data:/i.test(url)) {
    const bytes = dataUrlBytes(url, what, maxBytes);
    return keep(
      join(dir, randomUUID()),
      context,
      (async function* () {
        yield bytes;
      })(),
    );
  }
  const agent = openGuardedAgent(context.network);
  const totalMs = Math.min(TIMER_MS_MAX, BASE_MS + Math.ceil(context.maxBytes / BYTES_PER_MS));
  const timeout = AbortSignal.timeout(totalMs);
  try {
    // Before any attempt: a wrong URL is the task's fault and stays wrong.
    allowedUrl(url, what, context.network);
    const get: GuardedGet = {
      ...{ agent, what, network: context.network },
      signal: AbortSignal.any([signal, timeout]),
    };
    return await pRetry(() => fetchOnce(url, get, context), {
      ...{ retries: RETRIES, minTimeout: context.retryMs ?? RETRY_FIRST_MS, signal: get.signal },
      shouldRetry: ({ error }) => (error as Failure).code === 'DOWNLOAD_FAILED',
    });
  } catch (thrown) {
    signal.throwIfAborted();
    if (timeout.aborted)
      throw new Failure('DOWNLOAD_FAILED', `${what} did not arrive within ${Math.round(totalMs / 1000)} s`);
    throw thrown;
  } finally {
    await agent.destroy();
  }
}

async function fetchOnce(url: string, get: GuardedGet, context: InputContext): Promise<Input> {
  const { what, maxBytes, dir } = context;
  try {
    const { statusCode: status, headers, body } = await guardedGet(url, get);
    try {
      if (status >= 500 || status === 429) throw new Failure('DOWNLOAD_FAILED', `${what} was answered with ${status}`);
      if (status !== 200) throw new Failure('INPUT_INVALID', `${what} cannot be had: the server answered ${status}`);
      if (Number(one(headers['content-length']) ?? 0) > maxBytes) throw tooLarge(what, maxBytes);
      return await keep(join(dir, randomUUID()), context, body);
    } finally {
      body.on('error', () => {}).destroy();
    }
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    get.signal.throwIfAborted();
    const { message } = thrown as Error;
    throw new Failure('DOWNLOAD_FAILED', `${what} could not be fetched: ${message}`, { cause: thrown });
  }
}

async function keep(stem: string, { what, maxBytes }: InputContext, chunks: AsyncIterable<Uint8Array>): Promise<Input> {
  let path = `${stem}.part`;
  try {
    let bytes = 0;
    let head: Uint8Array = new Uint8Array();
    const handle = await open(path, 'wx', 0o600);
    try {
      for await (const chunk of chunks) {
        bytes += chunk.byteLength;
        if (bytes > maxBytes) throw tooLarge(what, maxBytes);
        if (head.byteLength < MAGIC_BYTES) head = Buffer.concat([head, chunk.subarray(0, MAGIC_BYTES)]);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    if (bytes === 0) throw new Failure('INPUT_INVALID', `${what} is empty`);
    const named = `${stem}.${fileType(head) ?? 'bin'}`;
    await rename(path, named);
    path = named;
    return { path, bytes };
  } catch (thrown) {
    await rm(path, { force: true });
    const { code } = thrown as { code?: unknown };
    if (code === 'ENOSPC')
      throw new Failure('DISK_FULL', `no room for ${what} in the temporary folder`, { cause: thrown });
    throw thrown;
  }
}
