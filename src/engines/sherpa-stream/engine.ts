// Streaming speech to text with sherpa-onnx: live speech as it arrives, and whole recordings too. Its roles of files
// stand in model-files.ts.
import { Failure, toFailure } from '../../protocol/failure.ts';
import { SPEECH_RATE } from '../audio/limits.ts';
import type { Engine } from '../engine.ts';
import { loadLibrary, type NativeRecogniser } from './library.ts';
import { streamingModel } from './model-files.ts';
import { openRecogniser } from './recogniser.ts';

/** What all models but NeMo's are trained on; those state their own, which the library heeds. */
const FEATURES = 80;

export const engine: Engine = {
  async load(ref, context) {
    const { signal, settings } = context;
    const { config, chunkMs, languages } = await streamingModel(context.files, ref.model);
    signal.throwIfAborted();
    context.progress(0.1);
    const { OnlineRecognizer } = loadLibrary(settings.gpu);
    const before = process.memoryUsage.rss();
    let native: NativeRecogniser;
    try {
      native = new OnlineRecognizer({
        featConfig: { sampleRate: SPEECH_RATE, featureDim: FEATURES },
        modelConfig: { ...config, numThreads: settings.cpuThreads, provider: 'cpu', debug: false },
        decodingMethod: 'greedy_search',
        enableEndpoint: true,
        // The library's own rules for pauses. Whoever speaks for a minute without one is cut there: each step answers with
        // the whole utterance, so one without end would cost more and more.
        rule1MinTrailingSilence: 2.4,
        rule2MinTrailingSilence: 1.2,
        rule3MinUtteranceLength: 60,
      });
    } catch (cause) {
      const { message } = toFailure(cause, 'MODEL_INVALID');
      throw new Failure('MODEL_INVALID', `sherpa-onnx cannot load \`${ref.model}\`: ${message}`, { cause });
    }
    context.progress(1);
    return openRecogniser({
      ...{ native, chunkMs, languages },
      memoryBytes: Math.max(0, process.memoryUsage.rss() - before),
    });
  },
};
