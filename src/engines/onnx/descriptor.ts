// What can be said of the onnx engine without loading it.
import { extname } from 'node:path';
import type { EngineDescriptor } from '../engine.ts';

// The sources run as .ts and the published package as .js, so the files follow the extension that runs now.
const here = (name: string) => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;

export const onnx: EngineDescriptor = {
  id: 'onnx',
  kinds: ['image'],
  models: { image: ['onnx:*'] },
  isolation: 'process',
  moduleUrl: here('engine'),
  probeUrl: here('probe'),
  // The runtime says nothing while it computes: LaMa takes some 5 s on a slow core, and a swapping machine much more.
  runStallMs: 120_000,
};
