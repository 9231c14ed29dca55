// One file, from its URL to its place on disk: goes on with what an earlier download left, survives dropped connections,
// checks length and digest while the bytes pass by, and gives the file its name only when all of it is right.
import { setMaxListeners } from 'node:events';
import pRetry from 'p-retry';
import type { Agent } from 'undici';
import { Failure } from '../../protocol/failure.ts';
import type { EngineLogLevel, NetworkPolicy } from '../engine.ts';
import { followRedirects } from '../network/guarded-get.ts';
import { isResumable, judge, rangeHeaders, type Wanted } from './answer.ts';
import { checkDisk, diskFailure } from './disk.ts';
import { atMirror, type Hub, hubHeaders } from './hub.ts';
import { type Inflow, openInflow } from './inflow.ts';
import { openPart, type Part } from './part.ts';

/** A server that fails this often without a megabyte in between is given up; the studio may try again later. */
const RETRIES = 5;
/** An attempt that brought at least this much does not count, so that 40 GB over a bad line arrive in the end. */
const WORTHWHILE_BYTES = 1024 * 1024;
/** The estimate may be a little low, and other programs write too. */
const DISK_MARGIN = 1.1;

export type RetryTimes = { readonly firstMs: number; readonly mostMs: number };
export const RETRY_TIMES: RetryTimes = { firstMs: 1_000, mostMs: 30_000 };

export type DownloadOrder = Wanted & {
  /** With what is secret in it; `url` is without. */
  readonly fullUrl: string;
  readonly target: string;
};

export type DownloadContext = {
  readonly agent: Agent;
  readonly network: NetworkPolicy;
  readonly hub: Hub;
  readonly signal: AbortSignal;
  readonly retry: RetryTimes;
  /** Bytes that are there, and how many there will be when that is known. Called for every piece. */
  arrived(bytes: number, total: number | undefined): void;
  /** Still at work: an old part is being read. */
  alive(): void;
  log(level: EngineLogLevel, message: string): void;
};

export type Downloaded = { readonly size: number; readonly sha256: string };

export async function download(order: DownloadOrder, context: DownloadContext): Promise<Downloaded> {
  const { what, target, sha256, approxBytes } = order;
  const { signal, log } = context;
  const path = `${target}.part`;
  const part = await openPart(path, signal, context.alive).catch((thrown: unknown) => {
    signal.throwIfAborted();
    throw diskFailure(thrown, what);
  });
  try {
    if (!isResumable(part, order)) await part.restart({ url: order.url });
    if (approxBytes !== undefined) await checkDisk(path, approxBytes * DISK_MARGIN - part.size, what);
    log('info', part.size > 0 ? `going on with ${what} after ${part.size} bytes` : `downloading ${what}`);
    await receive(order, part, context);
    const { size } = part;
    const digest = part.digest();
    if (size === 0) throw new Failure('MODEL_CORRUPT', `${what} is empty`);
    if (sha256 !== undefined && digest !== sha256) {
      throw new Failure('MODEL_CORRUPT', `${what} should have the sha256 ${sha256} and has ${digest}`);
    }
    await part.finish(target);
    return { size, sha256: digest };
  } catch (thrown) {
    const failure = signal.aborted ? undefined : diskFailure(thrown, what);
    // What cannot be gone on with, or fills the disk, is litter. Everything else is kept for the next attempt.
    const spoilt = failure?.code === 'MODEL_CORRUPT' || failure?.code === 'DISK_FULL' || part.size === 0;
    await (spoilt ? part.remove() : part[Symbol.asyncDispose]());
    signal.throwIfAborted();
    throw failure;
  }
}

async function receive(order: DownloadOrder, part: Part, context: DownloadContext): Promise<void> {
  const { signal, log, retry } = context;
  let best = part.size;
  const attempt = async (): Promise<void> => {
    try {
      await receiveOnce(order, part, context);
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof Failure) throw thrown;
      const { message } = thrown as Error;
      throw new Failure('DOWNLOAD_FAILED', `${order.what} broke off after ${part.size} bytes: ${message}`, {
        cause: thrown,
      });
    }
  };
  await pRetry(attempt, {
    ...{ retries: RETRIES, minTimeout: retry.firstMs, maxTimeout: retry.mostMs, randomize: true, signal },
    shouldRetry: ({ error }) => (error as Failure).code === 'DOWNLOAD_FAILED',
    shouldConsumeRetry() {
      const gained = part.size - best;
      best = Math.max(best, part.size);
      return gained < WORTHWHILE_BYTES;
    },
    onFailedAttempt({ error, retriesLeft }) {
      if ((error as Failure).code === 'DOWNLOAD_FAILED' && retriesLeft > 0) {
        log('warn', `${error.message}; trying again (${retriesLeft} tries left)`);
      }
    },
  });
}

async function receiveOnce(order: DownloadOrder, part: Part, context: DownloadContext): Promise<void> {
  const { what } = order;
  const answer = await ask(order, part, context);
  const total = await prepare(answer, order, part, context);
  if (total === 'done') return;
  if (total !== undefined) await checkDisk(order.target, total - part.size, what);
  context.arrived(part.size, total);
  try {
    await answer.pour((piece) => {
      const behind = part.append(piece);
      context.arrived(part.size, total);
      return behind && written(behind, what);
    });
  } finally {
    // Also when the connection broke: the next attempt goes on after what is on disk.
    await written(part.flush(), what);
  }
  if (total !== undefined && part.size !== total) {
    throw new Failure('DOWNLOAD_FAILED', `${what} ended after ${part.size} of ${total} bytes`);
  }
}

async function ask(order: DownloadOrder, part: Part, context: DownloadContext): Promise<Inflow> {
  const { agent, network, hub } = context;
  const url = atMirror(order.fullUrl, hub);
  // A signal of its own for each attempt: every request adds a listener, and a bad line makes many attempts.
  const signal = AbortSignal.any([context.signal]);
  setMaxListeners(0, signal);
  const get = {
    ...{ agent, network, what: order.what, signal },
    headers: (hop: URL) => ({ ...rangeHeaders(part), ...hubHeaders(hop, new URL(url), hub) }),
  };
  return followRedirects(url, get, openInflow, (answer) => answer.close());
}

/** Brings the part in line with the answer; returns the length of the whole file, when it is known. */
async function prepare(
  answer: Inflow,
  order: DownloadOrder,
  part: Part,
  context: DownloadContext,
): Promise<number | undefined | 'done'> {
  try {
    const meaning = judge(answer, part, order);
    switch (meaning.do) {
      case 'start':
        if (part.size > 0) context.log('warn', `${order.what} has changed or cannot be gone on with: from the start`);
        await part.restart(meaning.version);
        return meaning.version.total;
      case 'goOn':
        return meaning.total;
      case 'done':
        answer.close();
        return 'done';
      case 'startOver': {
        const asked = part.size > 0;
        await part.restart({ url: order.url });
        throw new Failure('DOWNLOAD_FAILED', `${order.what} ${asked ? 'has changed' : 'was answered in a piece'}`);
      }
    }
  } catch (thrown) {
    answer.close();
    throw thrown instanceof Failure ? thrown : diskFailure(thrown, order.what);
  }
}

async function written(writing: Promise<void>, what: string): Promise<void> {
  try {
    await writing;
  } catch (thrown) {
    throw diskFailure(thrown, what);
  }
}
