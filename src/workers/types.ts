// The face of src/workers towards the supervisor: what a host is asked, what it answers. Types only.
import type {
  EngineDescriptor,
  EngineLogLevel,
  EngineSettings,
  EngineTask,
  GpuChoice,
  ProbeReport,
  RunProgress,
} from '../engines/engine.ts';
import type { FailureCode, ModelSource, TaskKind } from '../protocol/index.ts';
import type { Probed } from './availability.ts';
import type { RecoveryTimes } from './free-memory.ts';
import type { MemoryFacts } from './messages.ts';

export type { EngineDescriptor, EngineSettings, GpuChoice, ProbeReport, RunProgress };

/** One pool: the threads of a kind. */
export type PoolSettings = {
  /** Memory that loaded models of this pool may hold together, in bytes. */
  readonly vramBytes: number;
  /** Threads; each works on one model at a time, and may keep others warm. Range 1 to 16. Read when the host opens. */
  readonly threads: number;
  /** Jobs that may share one loaded model. Range 1 to 64. Read when the host opens. */
  readonly concurrency: number;
  /** What models of this pool compute on; absent: `EngineSettings.gpu`. Read when the host opens. */
  readonly gpu?: GpuChoice;
  /** The only GPU that its engines see, by index; absent: all of them. Read when the host opens. */
  readonly device?: number;
};

/** One GPU. `bytes`: what models may fill of it, its margin taken off. */
export type DeviceBudget = { readonly index: number; readonly bytes: number };

export type HostSettings = {
  readonly pools: Readonly<Record<TaskKind, PoolSettings>>;
  /** Memory of the device that models may fill together, in bytes: its total less the safety margin. */
  readonly deviceBytes: number;
  /** The GPUs one by one, for pools that are bound to one. Absent or empty: not known. Read when the host opens. */
  readonly devices?: readonly DeviceBudget[];
  /**
   * RAM that pools which compute on the CPU may fill together, in bytes, where `deviceBytes` is memory of GPUs. Absent:
   * all pools draw on `deviceBytes`.
   */
  readonly ramBytes?: number;
  /** Of the device's memory, what models never fill, in bytes; already taken off `deviceBytes`. Default 0. */
  readonly marginBytes?: number;
  /** How long an idle, unpinned model stays loaded, in ms. Negative means for ever, 0 means not at all. */
  readonly keepAliveMs: number;
};

/** What is remembered of models that ran here, so that the next load reserves what they take and not what was guessed. */
export type MemoryTruth = {
  /** The most that such a model took, in bytes; `undefined` when it has not run here. */
  peakOf(key: string, kind: TaskKind): number | undefined;
  measured(model: MeasuredModel, memory: MemoryFacts): void;
};

export type MeasuredModel = {
  readonly key: string;
  readonly model: string;
  readonly engine: string;
  readonly kind: TaskKind;
  /** What was reserved for it, in bytes. */
  readonly reservedBytes: number;
};

export type HostOptions = {
  readonly settings: HostSettings;
  /** Engines beyond the built-in roster, from the configuration. */
  readonly extraEngines: readonly EngineDescriptor[];
  /** Ids of the engines that this worker has; absent: all of them. */
  readonly onlyEngines?: readonly string[] | undefined;
  /** What is known of an engine with a probe; asked for each job. Absent: every engine counts as ready. */
  readonly probed?: Probed;
  /** What every engine is told. Read when the host opens. */
  readonly engineSettings: EngineSettings;
  /** Without it every load reserves the estimate. */
  readonly memory?: MemoryTruth;
  /** Parent of all temporary folders. What an earlier process left in it is removed when the host opens. */
  readonly scratchRoot: string;
  /** Time between asking a run to cancel and killing its engine process, in ms. Default 5 000. */
  readonly cancelGraceMs?: number;
  readonly log: (level: EngineLogLevel | 'debug', message: string, fields?: Record<string, unknown>) => void;
  /**
   * Memory that is free now, in bytes, whoever holds the rest: of one GPU, or of all devices together; undefined when nobody
   * can tell. Asked before a load and after an unload. Absent: the ledger alone decides.
   */
  readonly freeBytes?: (device?: number) => Promise<number | undefined>;
  /** Hears what is counted of the host's work. */
  readonly counts?: HostCounts;
  /** How long the memory of an unloaded model is waited for. Default: asked every 250 ms, for 5 s at most. */
  readonly recovery?: RecoveryTimes;
};

export type HostCounts = {
  /** A model of that kind has to leave for another one. */
  evicted(kind: TaskKind): void;
  /** Bytes of a model file that came over the network. */
  received(bytes: number): void;
};

export type HostJob = {
  readonly jobId: string;
  readonly model: string;
  readonly source: ModelSource;
  readonly task: EngineTask;
  /** The estimate to reserve for the model when it is not loaded yet, in bytes. */
  readonly vramBytes: number;
  /**
   * Bytes that the run receives while it goes on, for tasks that want them. Read no faster than the engine takes them, and
   * let go (`return`) when the run ends; a rejection stops the run with that failure. Each chunk's buffer is given away.
   */
  readonly input?: AsyncIterable<Uint8Array>;
  /** How long the model stays loaded after this job, as `HostSettings.keepAliveMs`, which is the default. */
  readonly keepAliveMs?: number | undefined;
};

/** A model to load without a job. `vramBytes` as in `HostJob`. */
export type HostModel = Pick<HostJob, 'model' | 'source' | 'vramBytes'> & { readonly kind: TaskKind };

/** `fetching`: the model's files are brought to this machine; left out for a model without files, as both are for a warm one. */
export type JobPhase = 'fetching' | 'loading' | 'running';

/** What a job says of itself while it runs, never before `run` has returned. `write` is the backpressure: the engine waits until it resolves. */
export type JobObserver = {
  phase(phase: JobPhase): void;
  /** 0 to 1, while the phase is `fetching`, and again while it is `loading`. */
  loadProgress?(ratio: number): void;
  progress(progress: RunProgress): void;
  token(text: string): void;
  /** A piece of what the model thinks before its first token. */
  reasoning?(text: string): void;
  /** The whole text so far, of a task whose text may change while it grows. */
  partial?(text: string): void;
  log(level: EngineLogLevel, message: string): void;
  /** One chunk of a binary result, in order. A rejection stops the job with that failure. */
  write(chunk: Uint8Array): Promise<void>;
};

export type JobResult =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly ext: string; readonly byteLength: number };

export type JobRun = {
  /** Rejects with a `Failure`. Settles within the cancel grace after `cancel`, whatever the engine does. */
  readonly done: Promise<JobResult>;
  /** Stops the job; `done` then rejects with `code`. A second call, or one after the end, does nothing. */
  cancel(code: Extract<FailureCode, 'CANCELLED' | 'SHUTDOWN'>, reason: string): void;
};

export type LoadObserver = Partial<Pick<JobObserver, 'phase' | 'loadProgress' | 'log'>>;

export type LoadRun = {
  /** Rejects with a `Failure`. */
  readonly done: Promise<LoadedModelInfo>;
  /** Gives the wait up with `CANCELLED`; the load goes on only if somebody else waits for it. */
  cancel(reason: string): void;
};

/** What a load that was refused for want of memory needed and found, in bytes. */
export type MemoryShortage = { readonly neededBytes: number; readonly freeBytes: number; readonly marginBytes: number };

export type MemoryView = {
  /** What models may fill together. */
  readonly deviceBytes: number;
  /** What loaded models hold, by the ledger. */
  readonly reservedBytes: number;
  readonly marginBytes: number;
  /** Probed; undefined when nobody can tell. */
  readonly freeBytes: number | undefined;
  /** Pools whose models draw on it: what leaves another one frees nothing here. */
  readonly sharedBy: readonly TaskKind[];
  readonly pools: Readonly<Record<TaskKind, { readonly budgetBytes: number; readonly reservedBytes: number }>>;
};

/**
 * Whether a job could start now. `busy`: a slot or memory is taken, and will be free again. `never`: this worker cannot
 * run it at all, for the stated reason (the engine is absent, it does not do this kind, the model exceeds the budget).
 */
export type Verdict =
  | { readonly kind: 'ready' }
  | { readonly kind: 'busy'; readonly why: string; readonly memory?: MemoryShortage }
  | { readonly kind: 'never'; readonly code: FailureCode; readonly why: string };

export type LoadedModelInfo = {
  readonly key: string;
  readonly model: string;
  readonly pool: TaskKind;
  readonly engine: string;
  readonly bytes: number;
  readonly state: 'fetching' | 'loading' | 'loaded' | 'unloading';
  readonly runs: number;
  readonly pinned: boolean;
  /** 0 to 1, while it is fetched and again while it is loaded. */
  readonly progress?: number;
  /** What the engine says that it took, when it can tell; `bytes` is what was reserved. */
  readonly memoryBytes?: number;
  /** The engine process, when it has one. */
  readonly pid?: number;
};

export interface Host extends AsyncDisposable {
  /** Built-in engines, then extra ones. */
  readonly engines: readonly EngineDescriptor[];
  /** Those of them that work on this machine, as far as is known now. */
  readyEngines(): readonly EngineDescriptor[];
  /** Jobs that may run at one time, for each kind that some ready engine serves: threads × concurrency. */
  slots(): Partial<Record<TaskKind, number>>;
  verdict(job: Pick<HostJob, 'model' | 'source' | 'task' | 'vramBytes'>): Verdict;
  /** Starts a job that `verdict` has just called ready (call both in one synchronous step). Never throws. */
  run(job: HostJob, observer: JobObserver): JobRun;
  models(): readonly LoadedModelInfo[];
  /** What `LoadedModelInfo.key` is for such a model. */
  keyOf(model: Pick<HostModel, 'model' | 'source'>): string;
  /** As `verdict`, for a load without a job. A loaded model is `ready`. */
  loadVerdict(model: HostModel): Verdict;
  /** Loads a model, or joins a load that is under way. Room is made as for a job. Never throws. */
  load(model: HostModel, observer?: LoadObserver): LoadRun;
  /**
   * Lets a model go, however many instances of it there are. No job joins it from now on; running ones get `drainMs`, then
   * fail with `MODEL_UNLOADED`. A load is aborted. Resolves when its memory is free, at once when it is not there.
   */
  unload(key: string, options: { readonly drainMs: number }): Promise<void>;
  /** A pinned model is not unloaded by keep-alive or to make room. Holds for the key, also before it is loaded. */
  setPinned(key: string, pinned: boolean): void;
  /** Of the memory where models of this kind are; without one of all devices together. */
  memory(kind?: TaskKind): Promise<MemoryView>;
  /**
   * `change`: a model's state, progress or pin, a budget, or who has a place may differ, so a job that was `busy` may be
   * `ready`. Dispatched often; do little in it.
   */
  readonly changes: EventTarget;
  /** Takes changed budgets and keep-alive. `threads` and `concurrency` of an open pool stay as they are. */
  configure(settings: HostSettings): void;
}
