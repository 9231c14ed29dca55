// One model on one thread, as the host steers it: fetches and loads it, watches both, unloads or kills it. What it costs and who
// uses it is the shelf's business.
//
//   new ─fetch→ fetching ─→ new ─load→ loading ─→ loaded ─unload→ unloading ─→ gone
//                  └─failed→ new ←failed─┘ (the shelf may try again)      (any) ─died→ gone
import type { EngineDescriptor, EngineSettings, LocalModelFile, ModelRef } from '../engines/engine.ts';
import { Failure } from '../protocol/failure.ts';
import type { LoadOrder, MemoryFacts, ThreadToHost } from './messages.ts';
import type { PoolThread } from './pool.ts';
import { STALL_DEFAULTS } from './stall.ts';
import { openWatchdog } from './watchdog.ts';

export type InstanceOptions = {
  readonly id: string;
  readonly engine: EngineDescriptor;
  readonly ref: ModelRef;
  readonly thread: PoolThread;
  readonly settings: EngineSettings;
  readonly scratchDir: string;
  readonly graceMs: number;
  readonly measured?: (memory: MemoryFacts) => void;
};

export type Instance = {
  /** Brings the model's files to this machine. Rejects as `load` does. */
  fetch(signal: AbortSignal): Promise<readonly LocalModelFile[]>;
  /** One attempt. Rejects with a `Failure`, at the latest one grace after `signal` aborted. */
  load(files: readonly LocalModelFile[], signal: AbortSignal): Promise<void>;
  /** Resolves when nothing is left of the last attempt; only then its memory is surely free. */
  settled(): Promise<void>;
  /** Gives it up after a load that failed for good. */
  close(): void;
  /** Resolves when the memory is free. */
  unload(): Promise<void>;
  kill(failure: Failure): void;
  receive(message: ThreadToHost): void;
  threadDied(failure: Failure): void;
  /** Resolves once, with the failure if it ended by itself. */
  readonly gone: Promise<Failure | undefined>;
  /** The most that was measured so far. */
  readonly memory: MemoryFacts;
  /** After a run: before the first one a model may not have touched all that it takes. */
  measured(facts: MemoryFacts): void;
  /** The engine process, when there is one. */
  readonly pid: number | undefined;
};

type Attempt = {
  readonly result: PromiseWithResolvers<readonly LocalModelFile[]>;
  readonly over: PromiseWithResolvers<void>;
  feed(): void;
  reject(failure: Failure): void;
  resolve(files: readonly LocalModelFile[]): void;
  /** Rejected before the thread answered: whatever it answers is thrown away. */
  given: boolean;
};

export function openInstance(options: InstanceOptions): Instance {
  const { id, engine, ref, thread, graceMs } = options;
  const gone = Promise.withResolvers<Failure | undefined>();
  let attempt: Attempt | undefined;
  let memory: MemoryFacts = {};
  let pid: number | undefined;

  function kill({ code, message }: Failure): void {
    thread.post({ kind: 'kill', id, failure: { code, message } });
  }

  function keep(facts: MemoryFacts): void {
    memory = {
      memoryBytes: largest(memory.memoryBytes, facts.memoryBytes),
      rssBytes: largest(memory.rssBytes, facts.rssBytes),
      holderPid: facts.holderPid ?? memory.holderPid,
    };
  }

  function openAttempt(doing: 'fetching' | 'loading', signal: AbortSignal): Attempt {
    const limitMs = engine.loadStallMs ?? STALL_DEFAULTS.loadStallMs;
    const result = Promise.withResolvers<readonly LocalModelFile[]>();
    let graceTimer: NodeJS.Timeout | undefined;
    const watchdog = openWatchdog(
      limitMs,
      () => false,
      () => {
        const failure = new Failure('ENGINE_HUNG', `${doing} \`${ref.model}\` made no progress for ${limitMs} ms`);
        kill(failure);
        one.reject(failure);
      },
    );
    function abort(): void {
      const { code, message } = signal.reason as Failure;
      thread.post({ kind: 'abortLoad', id, failure: { code, message } });
      graceTimer = setTimeout(() => {
        kill(signal.reason as Failure);
        one.reject(signal.reason as Failure);
      }, graceMs);
    }
    function close(): void {
      one.given = true;
      watchdog.stop();
      clearTimeout(graceTimer);
      signal.removeEventListener('abort', abort);
    }
    const one: Attempt = {
      result,
      over: Promise.withResolvers<void>(),
      given: false,
      feed: watchdog.feed,
      reject(failure) {
        close();
        result.reject(signal.aborted ? signal.reason : failure);
      },
      resolve(files) {
        close();
        result.resolve(files);
      },
    };
    signal.addEventListener('abort', abort);
    return one;
  }

  function hearLoaded(one: Attempt): void {
    if (one.given) return void thread.post({ kind: 'unload', id });
    one.resolve([]);
    one.over.resolve();
  }

  return {
    gone: gone.promise,
    get memory() {
      return memory;
    },
    measured(facts) {
      keep(facts);
      options.measured?.(memory);
    },
    get pid() {
      return pid;
    },
    async fetch(signal) {
      signal.throwIfAborted();
      attempt = openAttempt('fetching', signal);
      thread.post({ kind: 'fetch', order: { id, model: ref, settings: options.settings } });
      return attempt.result.promise;
    },
    async load(files, signal) {
      signal.throwIfAborted();
      attempt = openAttempt('loading', signal);
      const order: LoadOrder = {
        id,
        engine: engine.id,
        isolation: engine.isolation,
        moduleUrl: engine.moduleUrl,
        processEnvUrl: engine.processEnvUrl,
        model: ref,
        settings: options.settings,
        files,
        scratchDir: options.scratchDir,
        graceMs,
      };
      thread.post({ kind: 'load', order });
      await attempt.result.promise;
    },
    async settled() {
      await attempt?.over.promise;
    },
    close() {
      gone.resolve(undefined);
    },
    async unload() {
      thread.post({ kind: 'unload', id });
      await gone.promise;
    },
    kill,
    receive(message) {
      switch (message.kind) {
        case 'loadProgress':
          attempt?.feed();
          break;
        case 'fetched':
          if (attempt && !attempt.given) attempt.resolve(message.files);
          attempt?.over.resolve();
          break;
        case 'loaded':
          keep(message);
          pid = message.pid;
          if (attempt) hearLoaded(attempt);
          break;
        case 'loadFailed':
          attempt?.reject(new Failure(message.failure.code, message.failure.message));
          attempt?.over.resolve();
          break;
        case 'unloaded':
          attempt?.over.resolve();
          gone.resolve(undefined);
          break;
        case 'died':
          attempt?.over.resolve();
          gone.resolve(new Failure(message.failure.code, message.failure.message));
          break;
        case 'received':
        case 'log':
          break;
        default:
          message satisfies never;
      }
    },
    threadDied(failure) {
      attempt?.reject(failure);
      attempt?.over.resolve();
      gone.resolve(failure);
    },
  };
}

function largest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
