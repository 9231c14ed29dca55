// What a loaded model needs to know to start its binary, whichever of the two it is.
import type { EngineLogLevel } from '../engine.ts';
import type { Runtime } from './args.ts';
import type { Binary } from './binary.ts';
import type { LoraFolder } from './lora-folder.ts';
import type { ModelFiles } from './model-files.ts';

export type Setup = {
  readonly binary: Binary;
  readonly files: ModelFiles;
  readonly lora: LoraFolder;
  readonly runtime: Runtime;
  /** A private folder that lives as long as the model. */
  readonly dir: string;
  /** The binary computes on the CPU, so its memory is the model's. */
  readonly isCpu: boolean;
  /** For what is said while no job runs. */
  log(level: EngineLogLevel, message: string): void;
};
