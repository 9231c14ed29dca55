// What can be said of the sd-cpp engine without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

/** The sources run as .ts and the published package as .js, so files follow the extension that runs now. */
const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const sdCpp: EngineDescriptor = {
  id: 'sd-cpp',
  kinds: ['image', 'video'],
  models: { image: ['sd-cpp:*'], video: ['sd-cpp:*'] },
  // The native code is a program of its own already.
  isolation: 'thread',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
  // One step of a large video model on a small card, or the decoding of its frames, is silent for minutes.
  runStallMs: 300_000,
};
