// Everything that is said between the host, a thread and an engine process, as tagged unions. Types only.
//
//   host ──HostToThread──▶ thread ──ThreadToChild──▶ engine process     (one control port a thread, one IPC channel a child)
//        ◀─ThreadToHost───        ◀─ChildToThread──
//   job  ──RunCommand────▶ thread ──RunCommand─────▶ engine process     (one port a job; wrapped with its run id over IPC)
//        ◀─RunEvent───────        ◀─RunEvent───────
import type { MessagePort } from 'node:worker_threads';
import type {
  EngineLogLevel,
  EngineSettings,
  EngineTask,
  LocalModelFile,
  ModelRef,
  RunProgress,
} from '../engines/engine.ts';
import type { FailureReport } from '../protocol/index.ts';

/** The files of one model, to be brought to this machine before it is loaded. `id` names the instance, not the model. */
export type FetchOrder = { readonly id: string; readonly model: ModelRef; readonly settings: EngineSettings };

/** One model to load, as a thread or an engine process is told of it. */
export type LoadOrder = {
  readonly id: string;
  readonly engine: string;
  readonly isolation: 'thread' | 'process';
  readonly moduleUrl: string;
  readonly processEnvUrl?: string | undefined;
  readonly model: ModelRef;
  readonly settings: EngineSettings;
  readonly files: readonly LocalModelFile[];
  /** Not there yet: made when the engine first asks for it. */
  readonly scratchDir: string;
  /** Time that an engine process gets to leave by itself, in ms. */
  readonly graceMs: number;
};

/** What is known of a model's memory so far, in bytes. */
export type MemoryFacts = {
  /** What the engine says that the model took. */
  readonly memoryBytes?: number | undefined;
  /** The most RAM that its engine process held at one time. */
  readonly rssBytes?: number | undefined;
  /** The process whose memory it is: that of the engine, or of a program that the engine drives. */
  readonly holderPid?: number | undefined;
};

export type HostToThread =
  | { readonly kind: 'fetch'; readonly order: FetchOrder }
  | { readonly kind: 'load'; readonly order: LoadOrder }
  /** Stops a fetch as well as a load. */
  | { readonly kind: 'abortLoad'; readonly id: string; readonly failure: FailureReport }
  | { readonly kind: 'unload'; readonly id: string }
  /** Ends an engine process at once; its runs end with `failure`. A model inside a thread cannot be killed. */
  | { readonly kind: 'kill'; readonly id: string; readonly failure: FailureReport };

export type ThreadToHost =
  /** Of the fetch or of the load, whichever is under way. */
  | { readonly kind: 'loadProgress'; readonly id: string; readonly ratio: number }
  | { readonly kind: 'log'; readonly id: string; readonly level: EngineLogLevel; readonly message: string }
  /** Bytes of one file that came over the network, whether or not it is whole. */
  | { readonly kind: 'received'; readonly id: string; readonly bytes: number }
  | { readonly kind: 'fetched'; readonly id: string; readonly files: readonly LocalModelFile[] }
  | ({ readonly kind: 'loaded'; readonly id: string; readonly pid?: number } & MemoryFacts)
  /** The fetch or the load failed. Nothing is left of the attempt: its process has gone, its memory is free. */
  | { readonly kind: 'loadFailed'; readonly id: string; readonly failure: FailureReport }
  | { readonly kind: 'unloaded'; readonly id: string }
  /** The engine process ended by itself after it had loaded. */
  | { readonly kind: 'died'; readonly id: string; readonly failure: FailureReport };

export type RunOrder = {
  readonly task: EngineTask;
  readonly scratchDir: string;
  readonly windowBytes: number;
  /** There will be `input` commands, and an `inputEnd`. */
  readonly hasInput: boolean;
};

/** What Piscina hands to a thread. */
export type ThreadTask =
  | { readonly kind: 'attach'; readonly control: MessagePort }
  | { readonly kind: 'run'; readonly id: string; readonly order: RunOrder; readonly port: MessagePort };

export type RunCommand =
  | { readonly kind: 'cancel'; readonly failure: FailureReport }
  /** So many bytes of chunks have been written, and as many more may be sent. */
  | { readonly kind: 'credit'; readonly bytes: number }
  | { readonly kind: 'input'; readonly bytes: Uint8Array }
  | { readonly kind: 'inputEnd' };

export type RunOutcome =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly ext: string; readonly byteLength: number }
  /** `died`: the engine process has ended, so the model is gone with the run. */
  | { readonly kind: 'failed'; readonly failure: FailureReport; readonly died?: true };

export type RunEvent =
  | { readonly kind: 'progress'; readonly progress: RunProgress }
  | { readonly kind: 'token'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'partial'; readonly text: string }
  /** So many bytes of input are done with, and as many more may be sent. */
  | { readonly kind: 'inputCredit'; readonly bytes: number }
  | { readonly kind: 'log'; readonly level: EngineLogLevel; readonly message: string }
  | { readonly kind: 'chunk'; readonly chunk: Uint8Array }
  /** Always the last one. The engine is then ready for its next run. */
  | { readonly kind: 'end'; readonly outcome: RunOutcome; readonly memory?: MemoryFacts };

export type ThreadToChild =
  | { readonly kind: 'load'; readonly order: LoadOrder }
  | { readonly kind: 'abortLoad'; readonly failure: FailureReport }
  | { readonly kind: 'run'; readonly runId: number; readonly order: RunOrder }
  | { readonly kind: 'command'; readonly runId: number; readonly command: RunCommand }
  | { readonly kind: 'unload' };

export type ChildToThread =
  | { readonly kind: 'loadProgress'; readonly ratio: number }
  | { readonly kind: 'log'; readonly level: EngineLogLevel; readonly message: string }
  | ({ readonly kind: 'loaded' } & MemoryFacts)
  | { readonly kind: 'loadFailed'; readonly failure: FailureReport }
  | { readonly kind: 'event'; readonly runId: number; readonly event: RunEvent };
