// What can be said of the whisper.cpp engine without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const whisperCpp: EngineDescriptor = {
  id: 'whisper-cpp',
  kinds: ['audio_stt'],
  models: { audio_stt: ['whisper-cpp:*'] },
  isolation: 'process',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
  // It speaks up once for each half minute of sound, and the largest models take minutes for that on one slow core.
  runStallMs: 300_000,
};
