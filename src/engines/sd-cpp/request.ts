// The JSON that sd-server's job routes take. Pure. The server ignores unknown keys and wrong types without a word and
// has defaults of its own (seed 42), so everything that matters is named here, and tested by tables.
import type { Generation, VideoGeneration } from './generation.ts';

/** Pictures as base64. */
export type InputData = { readonly init?: string; readonly ref?: string; readonly mask?: string };

export type JobRequest = {
  readonly route: '/sdcpp/v1/img_gen' | '/sdcpp/v1/vid_gen';
  readonly mode: 'img_gen' | 'vid_gen';
  readonly body: Readonly<Record<string, unknown>>;
};

export function imageRequest(generation: Generation, inputs: InputData): JobRequest {
  const { init, ref, mask } = inputs;
  const start =
    ref !== undefined
      ? { ref_images: [ref] }
      : init !== undefined
        ? { init_image: init, strength: generation.strength }
        : undefined;
  return {
    route: '/sdcpp/v1/img_gen',
    mode: 'img_gen',
    body: {
      ...common(generation),
      batch_count: 1,
      ...start,
      ...(start && mask !== undefined && { mask_image: mask }),
      // Lossless, and written by every build; the asked format is made from it.
      output_format: 'png',
    },
  };
}

export function videoRequest(generation: VideoGeneration, inputs: InputData, format: 'avi' | 'webp'): JobRequest {
  return {
    route: '/sdcpp/v1/vid_gen',
    mode: 'vid_gen',
    body: {
      ...common(generation),
      video_frames: generation.frames,
      fps: generation.fps,
      ...(inputs.init !== undefined && { init_image: inputs.init, strength: generation.strength }),
      // Never left out: the server's default is webm, which most builds cannot write.
      output_format: format,
    },
  };
}

function common(generation: Generation): Record<string, unknown> {
  return {
    prompt: generation.prompt,
    negative_prompt: generation.negativePrompt,
    width: generation.width,
    height: generation.height,
    seed: generation.seed,
    sample_params: {
      sample_steps: generation.steps,
      ...(generation.samplingMethod !== undefined && { sample_method: generation.samplingMethod }),
      ...(generation.flowShift !== undefined && { flow_shift: generation.flowShift }),
      guidance: { txt_cfg: generation.cfgScale },
    },
  };
}
