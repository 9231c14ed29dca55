// The places in which runs on one model compute: each holds one conversation's state in memory that is taken when the
// place is made. The first is made with the model. More are made when more runs come at one time than there are places,
// each time as many as there are already, so that runs of one batch compute together and one user pays for one place.
import { InsufficientMemoryError, type LlamaContext, type LlamaContextSequence, type LlamaModel } from 'node-llama-cpp';
import type { Log } from './backend.ts';

/** Further runs wait for a place. Eight fill a GPU's batch well, and each place costs memory for a whole context. */
const SEQUENCES_MAX = 8;
/** A waiting run is not a hung one, so it says so well within the run watchdog's 60 s. */
const FEED_MS = 10_000;

export type Sequences = AsyncDisposable & {
  readonly contextSize: number;
  readonly batchSize: number;
  /** Rejects with the signal's reason. `waiting` is called now and then while all places are taken. */
  acquire(signal: AbortSignal, waiting: () => void): Promise<LlamaContextSequence>;
  release(sequence: LlamaContextSequence): void;
  /** Bytes that all places take. */
  memory(): { ram: number; vram: number };
};

export type SequencesOptions = {
  readonly model: LlamaModel;
  readonly contextSize: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly log: Log;
};

export async function openSequences(options: SequencesOptions): Promise<Sequences> {
  const { model, contextSize, batchSize, threads, log } = options;
  const contexts: LlamaContext[] = [];
  const free: LlamaContextSequence[] = [];
  const waiting: ((sequence: LlamaContextSequence) => void)[] = [];
  let count = 0;
  let growing = false;
  let full = false;

  async function grow(by: number, signal?: AbortSignal): Promise<void> {
    const context = await model.createContext({
      contextSize,
      sequences: by,
      batchSize,
      threads,
      // By default the library would shrink the context until it fits, and say nothing.
      failedCreationRemedy: false,
      ...(signal && { createSignal: signal }),
    });
    contexts.push(context);
    count += by;
    for (let index = 0; index < by; index += 1) release(context.getSequence());
  }

  async function growForMore(): Promise<void> {
    growing = true;
    try {
      await grow(Math.min(count, SEQUENCES_MAX - count));
    } catch (thrown) {
      full = true;
      const why = thrown instanceof InsufficientMemoryError ? 'there is no memory for more' : String(thrown);
      log('warn', `at most ${count} runs share this model, the others wait: ${why}`);
    } finally {
      growing = false;
    }
    growIfNeeded();
  }

  function growIfNeeded(): void {
    if (waiting.length > 0 && !growing && !full && count < SEQUENCES_MAX) void growForMore();
  }

  function release(sequence: LlamaContextSequence): void {
    const next = waiting.shift();
    if (next) next(sequence);
    else free.push(sequence);
  }

  await grow(1, options.signal);
  return {
    contextSize,
    batchSize,
    async acquire(signal, stillWaiting) {
      signal.throwIfAborted();
      const ready = free.pop();
      if (ready) return ready;
      const { promise, resolve, reject } = Promise.withResolvers<LlamaContextSequence>();
      const abort = () => {
        const at = waiting.indexOf(resolve);
        // Not there: it has just been given a place, and its run gives that back.
        if (at < 0) return;
        waiting.splice(at, 1);
        reject(signal.reason);
      };
      waiting.push(resolve);
      signal.addEventListener('abort', abort);
      const feed = setInterval(stillWaiting, FEED_MS);
      growIfNeeded();
      try {
        return await promise;
      } finally {
        clearInterval(feed);
        signal.removeEventListener('abort', abort);
      }
    },
    release,
    memory() {
      const used = contexts.map(({ memoryUsage }) => memoryUsage);
      const sum = (pick: (one: { ram: number; vram: number }) => number) =>
        used.reduce((all, one) => all + pick(one), 0);
      return { ram: sum(({ ram }) => ram), vram: sum(({ vram }) => vram) };
    },
    async [Symbol.asyncDispose]() {
      for (const context of contexts.splice(0)) await context.dispose();
    },
  };
}
