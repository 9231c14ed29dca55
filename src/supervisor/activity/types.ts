// The face of src/supervisor/activity: what happens on this worker, as others may watch it. Types only.
import type { LogLevel, TaskKind } from '../../protocol/index.ts';
import type { JobPhase, RunProgress } from '../../workers/types.ts';
import type { SessionView } from '../daemon/types.ts';
import type { RingEntry } from '../logs/ring.ts';
import type { ModelView } from '../models/types.ts';

/** Who asked: the studio, or a program on this machine (`lane`: its model was already loaded; `stream`: live speech). */
export type JobSource = 'studio' | 'local' | 'lane' | 'stream';

export type JobStart = {
  readonly jobId: string;
  readonly kind: TaskKind;
  readonly model: string;
  /** Whole; what is kept and shown is a preview of it. */
  readonly prompt: string;
  readonly source: JobSource;
  /** How long it waited here for its turn, in ms. Default 0. */
  readonly waitedMs?: number;
};

export type JobEnd =
  | {
      readonly status: 'completed';
      readonly tokens?: { readonly prompt: number; readonly completion: number };
      /** Takes the place of the prompt: a stream learns only at its end what was said. */
      readonly prompt?: string;
    }
  | { readonly status: 'failed'; readonly code: string; readonly reason: string };

/** What a thumbnail is made of, in the background: bytes, or a file that may be gone by then. */
export type Preview = { readonly ext: string } & ({ readonly bytes: Uint8Array } | { readonly path: string });

/** A job as the local API shows it (`GET /jobs`, `GET /daemon/status`). Times are RFC 3339. */
export type JobWire = {
  readonly jobId: string;
  readonly kind: TaskKind;
  readonly model: string;
  readonly prompt: string;
  readonly source: JobSource;
  readonly status: 'running' | 'completed' | 'failed';
  readonly reason?: string;
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly hasThumbnail: boolean;
};

export type JobLogLine = {
  readonly ts: string;
  readonly level: LogLevel;
  readonly target: string;
  readonly message: string;
};

export type JobLog = {
  readonly lines: readonly JobLogLine[];
  /** Earlier lines that are no longer kept: the end of a log says why a job failed. */
  readonly dropped: number;
};

export type ProgressView = {
  readonly jobId: string;
  readonly phase: JobPhase;
  /** 0 to 1, of the phase. */
  readonly ratio?: number;
  readonly step?: number;
  readonly steps?: number;
};

/** What each type of event carries. */
export type EventData = {
  readonly job: JobWire;
  readonly progress: ProgressView;
  /** `model` is null once it has left the catalogue. */
  readonly model: { readonly id: string; readonly model: ModelView | null };
  readonly log: RingEntry;
  readonly session: SessionView & { readonly paused: boolean; readonly registered: boolean };
};

export type EventType = keyof EventData;

export type WorkerEvent = {
  [Type in EventType]: {
    /** Grows by one an event. An id of an earlier process is smaller than any of this one. */
    readonly id: number;
    readonly type: Type;
    /** RFC 3339. */
    readonly at: string;
    readonly data: EventData[Type];
  };
}[EventType];

export type EventsAfter = {
  /** The oldest first. */
  readonly events: readonly WorkerEvent[];
  /** Events between the id that was asked for and the first of these are no longer kept. */
  readonly missed: boolean;
};

export interface EventHub {
  /** Never throws, and never runs a listener before it returns. */
  publish<Type extends EventType>(type: Type, data: EventData[Type]): void;
  /** The id of the newest event; that of the next one is larger by one. */
  readonly newestId: number;
  /** What is kept of the events after `id`. An id that was never given out gives all that is kept, and `missed`. */
  after(id: number): EventsAfter;
  /** Each event from now on. One that throws is not called again. */
  subscribe(listener: (event: WorkerEvent) => void): Disposable;
  /**
   * What comes after `id`, in batches, for as long as `signal` has not aborted. Nothing is queued for a reader that is
   * slow: it finds the newest 1,024 events when it comes back, with `missed` when there were more.
   */
  follow(id: number, signal: AbortSignal): AsyncIterable<EventsAfter>;
}

export interface Activity extends AsyncDisposable {
  started(job: JobStart): void;
  phase(jobId: string, phase: JobPhase): void;
  progress(jobId: string, progress: RunProgress): void;
  log(jobId: string, level: LogLevel, target: string, message: string): void;
  finished(jobId: string, end: JobEnd, preview?: Preview): void;
  /** The oldest first. */
  active(): JobWire[];
  /** The newest first. `local`: everything that this machine asked for itself. */
  recent(source: 'studio' | 'local'): JobWire[];
  logOf(jobId: string): JobLog | undefined;
  /** A PNG. */
  thumbnailOf(jobId: string): Uint8Array | undefined;
  /** Resolves when no thumbnail is being made. */
  thumbnailsMade(): Promise<void>;
  readonly events: EventHub;
}

export interface Metrics {
  readonly contentType: string;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
}
