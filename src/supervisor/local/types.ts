// The face of src/supervisor/local: jobs that programs on this machine ask for. Types only.
import type { Failure, TaskKind } from '../../protocol/index.ts';
import type { HostJob, RunProgress } from '../../workers/types.ts';
import type { CatalogueEntry } from '../models/types.ts';

/** What a caller may hear while it waits, in the order in which it happens. None of them may throw. */
export type LocalObserver = {
  /** It has left the queue; its model may still have to be loaded. */
  started?(jobId: string): void;
  progress?(progress: RunProgress): void;
  reasoning?(text: string): void;
  token?(text: string): void;
};

export type LocalRequest = {
  readonly entry: CatalogueEntry;
  /** Of the entry's own kind. */
  readonly task: HostJob['task'];
  /** Default: `lane` when the model is loaded by the time the job starts, else `local`. */
  readonly source?: 'local' | 'lane';
  /** From now; how long the caller waits for the end, queueing included. Default: for ever. */
  readonly deadlineMs?: number;
  /** How long the model stays loaded after this run, in ms; negative for ever. Default: the configured time. */
  readonly keepAliveMs?: number;
  /** The caller has gone: the job is cancelled, wherever it is. */
  readonly signal: AbortSignal;
  readonly observer?: LocalObserver;
};

export type LocalResult = {
  readonly jobId: string;
  readonly result:
    | { readonly kind: 'json'; readonly value: unknown }
    | { readonly kind: 'bytes'; readonly ext: string; readonly bytes: Uint8Array };
};

/** `QUEUE_FULL`, with a guess at when it is worth another try. */
export type QueueFull = Failure & { readonly code: 'QUEUE_FULL'; readonly retryAfterSecs: number };

export interface LocalJobs {
  /**
   * Queues with a bound and a deadline, then runs on the host. Rejects with a `Failure`: `QUEUE_FULL` (see `QueueFull`),
   * `DEADLINE_PASSED`, `CANCELLED` when `signal` aborts, `SHUTDOWN`, or what the host says.
   */
  run(request: LocalRequest): Promise<LocalResult>;
  /** How many wait, started ones not counted. */
  waiting(kind: TaskKind): number;
  /** Ids of jobs that run, the oldest first. */
  running(): string[];
  /** No job is taken from now on; those that wait end with `SHUTDOWN`, those that run go on. */
  close(): void;
  /** Stops every job, waiting and running, with `SHUTDOWN`. */
  cancelAll(reason: string): void;
  /** Resolves when no job waits or runs; while jobs are held back for an update, when none runs. */
  idle(): Promise<void>;
}
