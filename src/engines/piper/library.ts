// The native library, as far as we use it: the asynchronous forms only. The others abort the process on a broken model
// and end it with a segmentation fault on an empty text.
import { createRequire } from 'node:module';
import { Failure } from '../../protocol/failure.ts';
import type { GpuChoice } from '../engine.ts';

export type VitsFiles = { model: string; tokens: string; lexicon?: string; dataDir?: string };
export type KokoroFiles = VitsFiles & { voices: string; lang?: string };
export type TtsConfig = {
  readonly model: {
    readonly vits?: VitsFiles;
    readonly kokoro?: KokoroFiles;
    readonly numThreads: number;
    readonly provider: 'cpu';
    readonly debug: false;
  };
  readonly maxNumSentences: number;
};
export type TtsRequest = {
  readonly text: string;
  readonly sid: number;
  readonly speed: number;
  /** Answering false stops, one batch later. */
  readonly onProgress: () => boolean;
};
export type Tts = {
  readonly numSpeakers: number;
  readonly sampleRate: number;
  generateAsync(request: TtsRequest): Promise<{ readonly samples: Float32Array }>;
};
export type Library = { readonly OfflineTts: { createAsync(config: TtsConfig): Promise<Tts> } };

/** `gpu` other than `auto` and `cpu` is a demand that the library cannot meet: it has no build for GPUs. */
export function loadLibrary(gpu: GpuChoice): Library {
  if (gpu !== 'auto' && gpu !== 'cpu') {
    throw new Failure(
      'ENGINE_UNAVAILABLE',
      `sherpa-onnx has no build for ${gpu}: set gpu to "auto" or "cpu" for voices`,
    );
  }
  try {
    return createRequire(import.meta.url)('sherpa-onnx-node') as Library;
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const name = `sherpa-onnx-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
    const remedy = `install the optional package ${name} (npm install without --omit=optional)`;
    throw new Failure('ENGINE_UNAVAILABLE', `sherpa-onnx does not load (${why}): ${remedy}`, { cause });
  }
}
