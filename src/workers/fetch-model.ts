// Brings the files of a model to this machine and does nothing else with them: no pool, no engine, no memory of the
// device. A thread of its own does the work, so that hashing gigabytes keeps nobody waiting, and goes when it is done.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { EngineLogLevel, EngineSettings, LocalModelFile } from '../engines/engine.ts';
import { Failure, type FailureReport } from '../protocol/failure.ts';
import type { ModelSource } from '../protocol/index.ts';
import { modelRef } from './model-key.ts';

const ENTRY = fileURLToPath(new URL(`./fetch-thread${extname(import.meta.url)}`, import.meta.url));

export type FetchOptions = {
  readonly settings: EngineSettings;
  /** What has arrived by then stays, and the next fetch goes on with it. */
  readonly signal: AbortSignal;
  /** 0 to 1. */
  readonly progress: (ratio: number) => void;
  readonly log: (level: EngineLogLevel, message: string) => void;
  /** Bytes that came over the network, told a few times. */
  readonly received?: ((bytes: number) => void) | undefined;
};

export type FetchEvent =
  | { readonly kind: 'progress'; readonly ratio: number }
  | { readonly kind: 'received'; readonly bytes: number }
  | { readonly kind: 'log'; readonly level: EngineLogLevel; readonly message: string }
  | { readonly kind: 'fetched'; readonly files: readonly LocalModelFile[] }
  | { readonly kind: 'failed'; readonly failure: FailureReport };

/** Resolves with where the files lie. Rejects with a `Failure`, `CANCELLED` when `signal` aborts. Files that are there already cost a look, no download. */
export async function fetchModel(
  wanted: { readonly model: string; readonly source: ModelSource },
  { settings, signal, progress, log, received }: FetchOptions,
): Promise<readonly LocalModelFile[]> {
  if (signal.aborted) throw cancelled();
  const worker = new Worker(ENTRY, { workerData: { model: modelRef(wanted.model, wanted.source), settings } });
  const abort = (): void => worker.postMessage('abort');
  signal.addEventListener('abort', abort, { once: true });
  const { promise, resolve, reject } = Promise.withResolvers<readonly LocalModelFile[]>();
  worker.on('message', (event: FetchEvent) => {
    if (event.kind === 'progress') progress(event.ratio);
    else if (event.kind === 'received') received?.(event.bytes);
    else if (event.kind === 'log') log(event.level, event.message);
    else if (event.kind === 'fetched') resolve(event.files);
    else reject(new Failure(event.failure.code, event.failure.message));
  });
  worker.on('error', (cause) => reject(new Failure('INTERNAL', `the thread that fetches files died`, { cause })));
  worker.on('exit', (code) => reject(new Failure('INTERNAL', `the thread that fetches files ended with code ${code}`)));
  try {
    return await promise;
  } catch (thrown) {
    throw signal.aborted ? cancelled() : thrown;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function cancelled(): Failure {
  return new Failure('CANCELLED', 'fetching the files was stopped; what has arrived is kept for the next time');
}
