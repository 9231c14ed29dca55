// Text to speech with sherpa-onnx, for Piper's (VITS) and Kokoro voices. Its roles of files stand in voice-files.ts.
import { Failure, toFailure } from '../../protocol/failure.ts';
import type { Engine } from '../engine.ts';
import { loadLibrary, type Tts, type TtsConfig } from './library.ts';
import { speakersOf } from './speakers.ts';
import { openVoice } from './voice.ts';
import { voiceFiles } from './voice-files.ts';

export const engine: Engine = {
  async load(ref, context) {
    const { signal, settings, files, scratchDir } = context;
    const voice = await voiceFiles(files, { model: ref.model, scratchDir });
    signal.throwIfAborted();
    context.progress(0.1);
    const { OfflineTts } = loadLibrary(settings.gpu);
    const before = process.memoryUsage.rss();
    const config: TtsConfig = {
      model: { ...voice.model, numThreads: settings.cpuThreads, provider: 'cpu', debug: false },
      // Inside a piece of ours the library stops at a sentence too, so a cancel has not to wait for all of it.
      maxNumSentences: 1,
    };
    let tts: Tts;
    try {
      tts = await OfflineTts.createAsync(config);
    } catch (cause) {
      const { message } = toFailure(cause, 'MODEL_INVALID');
      throw new Failure('MODEL_INVALID', `sherpa-onnx cannot load \`${ref.model}\`: ${message}`, { cause });
    }
    context.progress(1);
    const speakers = speakersOf(tts.numSpeakers, voice.metadata, voice.config);
    return openVoice({ tts, speakers, memoryBytes: Math.max(0, process.memoryUsage.rss() - before) });
  },
};
