// The shelf and the models on it, as the rest of src/workers sees them: where a model is, who uses it, who waits for it.
import type { EngineDescriptor, EngineLogLevel, ModelRef } from '../engines/engine.ts';
import type { Failure } from '../protocol/failure.ts';
import type { TaskKind } from '../protocol/index.ts';
import type { Instance } from './instance.ts';
import type { Ledger } from './ledger.ts';
import type { ThreadToHost } from './messages.ts';
import type { PoolThread } from './pool.ts';
import type { HostSettings, JobPhase, LoadedModelInfo } from './types.ts';

/** A job, as far as its model is concerned. */
export type ModelUser = {
  phase(phase: JobPhase): void;
  loadProgress(ratio: number): void;
  log(level: EngineLogLevel, message: string): void;
  /** Its model is wanted no more. */
  stop(failure: Failure): void;
  crashed(failure: Failure): void;
};

export type ShelfModel = {
  readonly id: string;
  readonly kind: TaskKind;
  readonly engine: EngineDescriptor;
  readonly ref: ModelRef;
  readonly bytes: number;
  readonly thread: PoolThread;
  readonly instance: Instance;
  readonly users: Set<ModelUser>;
  /** Those who wait until it is loaded and have no job for it. They take no place on its thread. */
  readonly waiters: Set<ModelUser>;
  /** Users whose job is over for everyone but the engine, which has not returned from it. */
  readonly abandoned: Set<ModelUser>;
  readonly loading: AbortController;
  /** Resolves when nothing is left of it and its memory is free. */
  readonly removed: PromiseWithResolvers<void>;
  /** Jobs run on it, and no further one may. */
  draining: boolean;
  /** 0 to 1, of the fetch or the load. */
  progress: number | undefined;
  /** What was free where it goes, in bytes, when its load began; undefined before, and when nobody can tell. */
  freeBytesBefore: number | undefined;
  state: LoadedModelInfo['state'];
  /** The load has failed, and its thread has not answered yet. */
  loadFailed: boolean;
  /** Resolves when it can run. */
  ready: Promise<void>;
};

/** All who hear of it. */
export function everyone({ users, waiters }: ShelfModel): ModelUser[] {
  return [...users, ...waiters];
}

/** It will be loaded, and is not yet. */
export function isComing(model: ShelfModel): boolean {
  return model.state === 'fetching' || model.state === 'loading';
}

export type Shelf = AsyncDisposable & {
  readonly ledger: Ledger;
  models(): Iterable<ShelfModel>;
  /** Reserves memory at once, sends away who is in the way, and begins to load. `decide` must not have said wait. */
  add(where: {
    kind: TaskKind;
    thread: PoolThread;
    engine: EngineDescriptor;
    ref: ModelRef;
    bytes: number;
  }): ShelfModel;
  enter(model: ShelfModel, user: ModelUser): void;
  /** `keepAliveMs`: how long this user wants it to stay; undefined: as long as every model. */
  leave(model: ShelfModel, user: ModelUser, keepAliveMs?: number): void;
  await(model: ShelfModel, waiter: ModelUser): void;
  stopAwaiting(model: ShelfModel, waiter: ModelUser): void;
  /** See `Host.unload`. */
  letGo(key: string, drainMs: number): Promise<void>;
  pin(key: string, pinned: boolean): void;
  abandon(model: ShelfModel, user: ModelUser, failure: Failure): void;
  receive(message: ThreadToHost): void;
  threadDied(thread: PoolThread, failure: Failure): void;
  configure(settings: HostSettings): void;
};
