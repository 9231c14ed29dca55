// What can be said of the synthetic engine without loading it: its name, and the few model names it answers to.
import { extname } from 'node:path';
import type { TaskKind } from '../../protocol/index.ts';
import type { EngineDescriptor } from '../engine.ts';

/** Never a wildcard: placeholder bytes are only for those who ask for them by name. */
export const SYNTHETIC_MODELS = {
  image: ['synthetic', 'synthetic-image'],
  llm: ['synthetic', 'synthetic-llm'],
  audio_stt: ['synthetic', 'synthetic-stt'],
  audio_tts: ['synthetic', 'synthetic-tts'],
  video: ['synthetic', 'synthetic-video'],
} as const satisfies Record<TaskKind, readonly string[]>;

export const synthetic: EngineDescriptor = {
  id: 'synthetic',
  kinds: ['image', 'llm', 'audio_stt', 'audio_tts', 'video'],
  models: SYNTHETIC_MODELS,
  llmRequests: true,
  isolation: 'thread',
  // The sources run as .ts and the published package as .js, so the file follows the extension that runs now.
  moduleUrl: new URL(`./engine${extname(import.meta.url)}`, import.meta.url).href,
};
