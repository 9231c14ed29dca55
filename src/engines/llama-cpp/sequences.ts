// The places in which runs on one model compute: each holds the state of one conversation, in memory that is taken when
// the place is made. Places of one context compute together as one batch, for little more than the time of one.
//
//   1 place ─more runs than places→ a new context with 2, 4, 8 ─→ new runs go there; the old one ends with its last run
//
// So a model that one user talks to costs one place, and a busy one has all of its places in one batch.
import { InsufficientMemoryError, type LlamaContext, type LlamaContextSequence, type LlamaModel } from 'node-llama-cpp';
import type { Log } from './backend.ts';

/** Further runs wait for a place. Eight fill a GPU's batch well, and each place costs memory for a whole context. */
const PLACES_MAX = 8;
/** A waiting run is not a hung one, so it says so well within the run watchdog's 60 s. */
const FEED_MS = 10_000;

export type Sequences = AsyncDisposable & {
  readonly contextSize: number;
  readonly batchSize: number;
  /** Rejects with the signal's reason. `stillWaiting` is called now and then while all places are taken. */
  acquire(signal: AbortSignal, stillWaiting: () => void): Promise<Place>;
  /** Bytes that all places take. */
  memory(): { ram: number; vram: number };
};

/** Disposing gives it to the next run. */
export type Place = Disposable & { readonly sequence: LlamaContextSequence };

export type SequencesOptions = {
  readonly model: LlamaModel;
  readonly contextSize: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly log: Log;
};

type Group = { readonly context: LlamaContext; readonly free: LlamaContextSequence[]; busy: number };

export async function openSequences(options: SequencesOptions): Promise<Sequences> {
  const { model, contextSize, batchSize, threads, log } = options;
  const groups = new Set<Group>();
  const waiting: ((place: Place) => void)[] = [];
  let growing = false;
  let full = false;
  let current = await openGroup(1, options.signal);

  async function openGroup(places: number, signal?: AbortSignal): Promise<Group> {
    const context = await model.createContext({
      contextSize,
      sequences: places,
      batchSize,
      threads,
      // By default the library would shrink the context until it fits, and say nothing.
      failedCreationRemedy: false,
      ...(signal && { createSignal: signal }),
    });
    const group = { context, free: Array.from({ length: places }, () => context.getSequence()), busy: 0 };
    groups.add(group);
    return group;
  }

  /** A free place of the newest group; the others only end. */
  function take(): Place | undefined {
    const group = current;
    const sequence = group.free.pop();
    if (!sequence) return undefined;
    group.busy += 1;
    return {
      sequence,
      [Symbol.dispose]() {
        group.busy -= 1;
        group.free.push(sequence);
        if (group !== current && group.busy === 0) close(group).catch((thrown) => log('warn', String(thrown)));
        serve();
      },
    };
  }

  function serve(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const place = take();
      if (!place) return growIfPossible();
      waiting.shift();
      next(place);
    }
  }

  function growIfPossible(): void {
    const places = current.context.totalSequences;
    if (growing || full || places >= PLACES_MAX) return;
    let more = places * 2;
    while (more < places + waiting.length && more < PLACES_MAX) more *= 2;
    growing = true;
    void grow(more);
  }

  async function grow(places: number): Promise<void> {
    try {
      const before = current;
      current = await openGroup(places);
      if (before.busy === 0) await close(before);
    } catch (thrown) {
      full = true;
      const why = thrown instanceof InsufficientMemoryError ? 'there is no memory for more' : String(thrown);
      log('warn', `at most ${current.context.totalSequences} runs share this model, the others wait: ${why}`);
    }
    growing = false;
    serve();
  }

  async function close(group: Group): Promise<void> {
    groups.delete(group);
    await group.context.dispose();
  }

  return {
    contextSize,
    batchSize,
    async acquire(signal, stillWaiting) {
      signal.throwIfAborted();
      const place = waiting.length === 0 ? take() : undefined;
      if (place) return place;
      const { promise, resolve, reject } = Promise.withResolvers<Place>();
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
      serve();
      try {
        return await promise;
      } finally {
        clearInterval(feed);
        signal.removeEventListener('abort', abort);
      }
    },
    memory() {
      const used = [...groups].map(({ context }) => context.memoryUsage);
      return {
        ram: used.reduce((sum, { ram }) => sum + ram, 0),
        vram: used.reduce((sum, { vram }) => sum + vram, 0),
      };
    },
    async [Symbol.asyncDispose]() {
      for (const group of groups) await close(group);
    },
  };
}
