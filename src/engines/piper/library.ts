// The native library, as far as we use it: the asynchronous forms only. The others abort the process on a broken model
// and end it with a segmentation fault on an empty text.
import type { GpuChoice } from '../engine.ts';
import { requireSherpa } from '../sherpa/library.ts';

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

export function loadLibrary(gpu: GpuChoice): Library {
  return requireSherpa(gpu, 'audio_tts') as Library;
}
