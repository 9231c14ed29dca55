// The streaming half of sherpa-onnx, as far as we use it. Its recogniser has synchronous forms only, and it ends the
// process over what it finds wrong in a model, which is why model-files.ts looks first.
import type { GpuChoice } from '../engine.ts';
import { requireSherpa } from '../sherpa/library.ts';

/** Exactly one of the four kinds of model. */
export type ModelConfig = {
  readonly transducer?: { readonly encoder: string; readonly decoder: string; readonly joiner: string };
  readonly paraformer?: { readonly encoder: string; readonly decoder: string };
  readonly nemoCtc?: { readonly model: string };
  readonly zipformer2Ctc?: { readonly model: string };
};

export type RecogniserConfig = {
  readonly featConfig: { readonly sampleRate: number; readonly featureDim: number };
  readonly modelConfig: ModelConfig & {
    readonly tokens: string;
    readonly numThreads: number;
    readonly provider: 'cpu';
    readonly debug: false;
  };
  readonly decodingMethod: 'greedy_search';
  readonly enableEndpoint: true;
  /** Silence after which an utterance ends in which nothing was said, one in which something was, and its length, in s. */
  readonly rule1MinTrailingSilence: number;
  readonly rule2MinTrailingSilence: number;
  readonly rule3MinUtteranceLength: number;
};

/** Of the current utterance. `timestamps` say when each token begins, after `start_time`; some models give none. */
export type NativeResult = {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly timestamps: readonly number[];
  readonly start_time: number;
};

export type NativeStream = {
  acceptWaveform(sound: { readonly samples: Float32Array; readonly sampleRate: number }): void;
  inputFinished(): void;
  setOption(key: 'language', value: string): void;
};

export type NativeRecogniser = {
  createStream(): NativeStream;
  isReady(stream: NativeStream): boolean;
  /** One chunk; must not be called unless the stream is ready. */
  decode(stream: NativeStream): void;
  isEndpoint(stream: NativeStream): boolean;
  reset(stream: NativeStream): void;
  getResult(stream: NativeStream): NativeResult;
};

export type Library = { readonly OnlineRecognizer: new (config: RecogniserConfig) => NativeRecogniser };

export function loadLibrary(gpu: GpuChoice): Library {
  return requireSherpa(gpu, 'audio_stt') as Library;
}
