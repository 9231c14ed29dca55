// What can be said of the speech synthesiser without loading it. One engine under two names, since both kinds of voice
// are run by the same library.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

const shared = {
  kinds: ['audio_tts'],
  isolation: 'process',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
  processEnvUrl: here('../sherpa/process-env'),
} as const satisfies Partial<EngineDescriptor>;

export const piper: EngineDescriptor = { ...shared, id: 'piper', models: { audio_tts: ['piper:*'] } };
export const kokoro: EngineDescriptor = { ...shared, id: 'kokoro', models: { audio_tts: ['kokoro:*'] } };
