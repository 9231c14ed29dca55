// What can be said of the ffmpeg engine without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';
import { FFMPEG_MODELS } from './models.ts';

// The sources run as .ts and the published package as .js, so the files follow the extension that runs now.
const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const ffmpeg: EngineDescriptor = {
  id: 'ffmpeg',
  kinds: ['video'],
  models: { video: FFMPEG_MODELS },
  // The native code is in a program of its own already.
  isolation: 'thread',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
};
