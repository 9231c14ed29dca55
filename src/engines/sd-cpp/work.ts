// One task made ready: its numbers checked, its pictures brought here, its output format settled. Everything that can
// be wrong with a job is found here, before the graphics card is busy with it.
import { randomInt } from 'node:crypto';
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults } from '../../protocol/index.ts';
import type { EngineTask, RunContext } from '../engine.ts';
import type { InputPaths } from './args.ts';
import { type Generation, imageGeneration, type VideoGeneration, videoGeneration } from './generation.ts';
import { imageInputs, videoInputs } from './inputs.ts';
import { type VideoExt, videoExt } from './video-format.ts';

export type Work =
  | { readonly kind: 'image'; readonly generation: Generation; readonly inputs: InputPaths; readonly ext: string }
  | {
      readonly kind: 'video';
      readonly generation: VideoGeneration;
      readonly inputs: InputPaths;
      readonly ext: VideoExt;
    };

/** The binary's own random seeds have 31 bits. */
const SEEDS = 2 ** 31;

export async function prepare(task: EngineTask, defaults: CliDefaults, context: RunContext): Promise<Work> {
  context.signal.throwIfAborted();
  // Always chosen here: without a seed the binary uses 42, and makes the same picture every time.
  const randomSeed = () => randomInt(SEEDS);
  switch (task.kind) {
    case 'image': {
      const generation = imageGeneration(task, defaults, randomSeed);
      context.log('info', `seed ${generation.seed}`);
      return { kind: 'image', generation, inputs: await imageInputs(task, context), ext: task.ext };
    }
    case 'video': {
      const generation = videoGeneration(task, defaults, randomSeed);
      const ext = await videoExt(task.ext, context.settings.modelsRoot);
      context.log('info', `seed ${generation.seed}, ${generation.frames} frames`);
      return { kind: 'video', generation, inputs: await videoInputs(task, context), ext };
    }
    default:
      throw new Failure('KIND_UNSUPPORTED', `sd-cpp engine cannot serve ${task.kind} tasks`);
  }
}
