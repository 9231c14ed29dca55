// What can be said of the llama.cpp engine without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

// The sources run as .ts and the published package as .js, so the files follow the extension that runs now.
const beside = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const llamaCpp: EngineDescriptor = {
  id: 'llama-cpp',
  kinds: ['llm'],
  models: { llm: ['llama-cpp:*'] },
  llmRequests: true,
  // llama.cpp answers many a bad file or full device with abort().
  isolation: 'process',
  moduleUrl: beside('engine'),
  probeUrl: beside('probe'),
};
