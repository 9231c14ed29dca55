// What a thread holds for each model it has been told to load, wherever the engine itself lives.
import type { MessagePort } from 'node:worker_threads';
import type { EngineLogLevel } from '../engines/engine.ts';
import type { FailureReport } from '../protocol/index.ts';
import type { MemoryFacts, RunOrder } from './messages.ts';

export type HeldModel = {
  /** Resolves when the model can run; rejects with a `Failure` once nothing is left of the attempt. */
  readonly loaded: Promise<MemoryFacts & { pid?: number }>;
  abortLoad(failure: FailureReport): void;
  /** Resolves after the run's `end` was posted to `port`. */
  run(order: RunOrder, port: MessagePort): Promise<void>;
  /** Ends the engine at once, where that is possible. */
  kill(failure: FailureReport): void;
  /** Resolves when the memory is free. */
  unload(): Promise<void>;
};

export type HeldModelHooks = {
  loadProgress(ratio: number): void;
  log(level: EngineLogLevel, message: string): void;
  /** The engine ended by itself after it had loaded. */
  died(failure: FailureReport): void;
};
