// The recording of a speech job: fetched under the rules for inputs, then decoded.
import type { RunContext } from '../engine.ts';
import { fetchInput } from '../inputs/fetch-input.ts';
import { AUDIO_BYTES_MAX } from './limits.ts';
import { speechSamples } from './speech-samples.ts';

/** 16-bit mono at 16 kHz. */
export async function recordingSamples(inputUrl: string, context: RunContext): Promise<Int16Array> {
  const { scratchDir, signal, settings } = context;
  const { path } = await fetchInput(inputUrl, {
    dir: scratchDir,
    maxBytes: AUDIO_BYTES_MAX,
    signal,
    network: settings.network,
    what: 'the audio',
  });
  // Nothing is transcribed yet, but the watchdog must hear that somebody is at work.
  return speechSamples(path, { scratchDir, signal, settings, progress: () => context.progress({ ratio: 0 }) });
}
