// What every engine is: something that loads a model and then runs tasks on it. Engines know nothing of jobs, pools or
// studios. They run in a worker thread or in an engine process, never in the supervisor.
import type { LlmTask, ModelSource, Task, TaskKind } from '../protocol/index.ts';

/** What can be said of an engine without importing it. */
export type EngineDescriptor = {
  /** The engine id on the wire, e.g. `sd-cpp`. */
  readonly id: string;
  readonly kinds: readonly TaskKind[];
  /** Model names that capabilities advertise; `id:*` means "whatever the offer brings". */
  readonly models: Readonly<Partial<Record<TaskKind, readonly string[]>>>;
  /** It takes live speech too: a `SpeechStream`, with the sound as the run's input. Default false. */
  readonly streams?: boolean;
  /** It answers `LlmRequest`s besides jobs. Default false. */
  readonly llmRequests?: boolean;
  /** `process` for native code that can abort: each loaded model then lives in a child process of its own. */
  readonly isolation: 'thread' | 'process';
  /** File URL of the module whose `engine` export is an `Engine`. */
  readonly moduleUrl: string;
  /** File URL of the module whose `probe` export is a `Probe`; absent: the engine needs nothing and is always ready. */
  readonly probeUrl?: string;
  /** File URL of a module whose `processEnv` export gives variables that the engine's process must start with. */
  readonly processEnvUrl?: string;
  /** Silence after which a load counts as hung, in ms. Default 300 000. */
  readonly loadStallMs?: number;
  /** Silence (no step, no token, no result) after which a run counts as hung, in ms. Default 60 000. */
  readonly runStallMs?: number;
};

/** The model to load. Equal `key`s are the same model with the same settings, so one loaded instance serves both. */
export type ModelRef = { readonly key: string; readonly model: string; readonly source: ModelSource };

/** One file of a model source, on this machine: its length and digest have been checked. */
export type LocalModelFile = { readonly role: string; readonly filename: string; readonly path: string };

/** The operator's choice. `auto` takes the best that is there; every other value is a demand, and never silently unmet. */
export type GpuChoice = 'auto' | 'cuda' | 'vulkan' | 'metal' | 'cpu';

/** What may be fetched besides https to public addresses. */
export type NetworkPolicy = {
  /** The studio itself runs on this machine, so addresses of this machine are no secret to it. */
  readonly allowLoopback: boolean;
  /** Hosts that the operator vouches for, though their addresses are private. */
  readonly allowedHosts: readonly string[];
};

/** The operator's settings that concern every engine. */
export type EngineSettings = {
  readonly gpu: GpuChoice;
  /**
   * The only GPU to compute on, by its index; absent: all of them. Engine processes see no other. A program that an engine
   * starts itself must be told (device-env.ts).
   */
  readonly device?: number;
  /** Threads that one loaded model may compute with on the CPU, at least 1. */
  readonly cpuThreads: number;
  readonly network: NetworkPolicy;
  readonly modelsRoot: string;
};

/** What an engine found out about this machine without loading a model. */
export type ProbeReport = {
  readonly ready: boolean;
  /** For people: versions, devices, or what is missing. */
  readonly detail: string;
  /** What to do when it is not ready, e.g. the package to install. */
  readonly remedy?: string;
  /** Compute backend that would be used, e.g. `cuda`, `vulkan`, `cpu`. */
  readonly backend?: string;
  readonly devices?: readonly string[];
};

export type Probe = (settings: EngineSettings) => Promise<ProbeReport>;

export type EngineLogLevel = 'info' | 'warn' | 'error';

export type LoadContext = {
  readonly signal: AbortSignal;
  readonly settings: EngineSettings;
  /** Every file of the model's source, in the order of the offer. */
  readonly files: readonly LocalModelFile[];
  /** An empty folder for temporary files, removed by the caller when the model is disposed. */
  readonly scratchDir: string;
  /** 0 to 1. Any call also feeds the load watchdog. */
  progress(ratio: number): void;
  log(level: EngineLogLevel, message: string): void;
};

/** Speech that is transcribed while it is spoken. The run's input is 16-bit mono samples at 16 kHz, little endian. */
export type SpeechStream = { readonly kind: 'audio_stt'; readonly operation: 'stream'; readonly language?: string };

/** What programs on this machine ask of a language model beyond a chat. */
export type LlmRequest =
  /** One vector for each text, of length 1. Answers `EmbedAnswer`. */
  | { readonly kind: 'llm'; readonly operation: 'embed'; readonly texts: readonly string[] }
  /** `addSpecial`: with the tokens that the model itself puts around a text. Answers `TokenizeAnswer`. */
  | { readonly kind: 'llm'; readonly operation: 'tokenize'; readonly text: string; readonly addSpecial: boolean }
  /** Goes on with a text as it stands, without the model's chat template. Answers `CompleteAnswer`. */
  | ({ readonly kind: 'llm'; readonly operation: 'complete'; readonly prompt: string } & Pick<
      LlmTask,
      'maxTokens' | 'temperature' | 'topP' | 'stop' | 'seed'
    >);

export type EmbedAnswer = { readonly vectors: readonly (readonly number[])[]; readonly tokens: number };
export type TokenizeAnswer = { readonly tokens: readonly number[] };
/** `usage` counts tokens. */
export type CompleteAnswer = {
  readonly text: string;
  readonly finish_reason: 'stop' | 'length';
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number };
};

/** What an engine can be asked: a job's task, or what only this machine asks for, which is no part of the wire protocol. */
export type EngineTask = Task | SpeechStream | LlmRequest;

export type RunProgress = { ratio: number; step?: number; steps?: number };

export type RunContext = {
  readonly signal: AbortSignal;
  readonly settings: EngineSettings;
  /** An empty folder for temporary files, removed by the caller after the run on every path. */
  readonly scratchDir: string;
  progress(progress: RunProgress): void;
  /** A piece of generated text, in order. Feeds the run watchdog as `progress` does. */
  token(text: string): void;
  /** A piece of what the model thinks before it answers, in order. Feeds the run watchdog too. */
  reasoning(text: string): void;
  /** The whole text so far, where what was said may still change. Feeds the run watchdog too. */
  partial(text: string): void;
  /** What arrives while the run goes on, for runs that have such an input. A chunk counts as taken when the next is asked for. */
  readonly input?: AsyncIterable<Uint8Array>;
  log(level: EngineLogLevel, message: string): void;
};

/**
 * A finished task. The buffer of every chunk is given away (it is transferred to another thread), so an engine must not
 * touch a chunk after yielding it and must not yield views of a pooled buffer.
 */
export type EngineResult =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly ext: string; readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array> };

/** One model in memory. Disposing it frees that memory. */
export interface LoadedModel extends AsyncDisposable {
  /** Memory that the model really took, in bytes, when the engine can tell. */
  readonly memoryBytes?: number;
  /** The process that holds the model, when that is a program which the engine drives. */
  readonly holderPid?: number | undefined;
  /**
   * Runs one task; several may run at a time, up to the pool's `concurrency`. Rejects with a `Failure`, or with the
   * signal's reason once `context.signal` aborts; the model is then ready for its next run.
   */
  run(task: EngineTask, context: RunContext): Promise<EngineResult>;
}

export interface Engine {
  /** Rejects with a `Failure` (`MODEL_SOURCE_MISSING`, `MODEL_INVALID`, `ENGINE_UNAVAILABLE`, `VRAM_EXHAUSTED`, …). */
  load(model: ModelRef, context: LoadContext): Promise<LoadedModel>;
}
