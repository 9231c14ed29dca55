// The engines that every worker has, as data. To add one: a folder beside this file and one line in the list.
// No engine is imported here, so that the supervisor can read the roster without loading a codec or an addon.
import type { EngineDescriptor } from './engine.ts';
import { ffmpeg } from './ffmpeg/descriptor.ts';
import { llamaCpp } from './llama-cpp/descriptor.ts';
import { onnx } from './onnx/descriptor.ts';
import { kokoro, piper } from './piper/descriptor.ts';
import { sdCpp } from './sd-cpp/descriptor.ts';
import { sherpaStream } from './sherpa-stream/descriptor.ts';
import { synthetic } from './synthetic/descriptor.ts';
import { whisperCpp } from './whisper-cpp/descriptor.ts';

/** In the order in which a model without a source looks for its engine; `synthetic` stays last. */
export const ROSTER: readonly EngineDescriptor[] = [
  llamaCpp,
  whisperCpp,
  sherpaStream,
  onnx,
  sdCpp,
  piper,
  kokoro,
  ffmpeg,
  synthetic,
];
