// What can be said of the streaming recogniser without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const sherpaStream: EngineDescriptor = {
  id: 'sherpa-stream',
  kinds: ['audio_stt'],
  models: { audio_stt: ['sherpa-stream:*'] },
  streams: true,
  isolation: 'process',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
  processEnvUrl: here('../sherpa/process-env'),
};
