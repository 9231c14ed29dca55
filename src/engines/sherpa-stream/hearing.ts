// One speaker heard by a streaming recogniser: sound in, text so far out. An utterance ends with a pause, and its text
// then stays as it is; the text of the current one may still change.
//
//   hearing ─feed→ hearing ─finish→ over
import { SPEECH_RATE } from '../audio/limits.ts';
import type { TimedGroup } from '../audio/transcript.ts';
import type { NativeRecogniser, NativeResult, NativeStream } from './library.ts';
import { piecesOf } from './utterance.ts';

export type Hearing = {
  /** Resolves when everything that was fed is heard, except for what is shorter than a step of the model. */
  feed(samples: Int16Array, signal: AbortSignal): Promise<void>;
  /** Lets the model hear a little silence, so that it also says what was spoken last. */
  finish(signal: AbortSignal): Promise<void>;
  /** All that was said so far. */
  text(): string;
  /** One an utterance. */
  groups(): readonly TimedGroup[];
  readonly seconds: number;
};

export type HearingOptions = {
  readonly native: NativeRecogniser;
  readonly chunkMs: number;
  readonly language: string | undefined;
  /** After each step of the model. */
  readonly stepped: () => void;
};

/** Models say a word only some time after they have heard it. The contract's number. */
const CLOSING_SILENCE_MS = 1_500;

export function openHearing({ native, chunkMs, language, stepped }: HearingOptions): Hearing {
  const stream: NativeStream = native.createStream();
  if (language !== undefined) stream.setOption('language', language);
  const utterances: TimedGroup[] = [];
  let ended = '';
  let current: NativeResult | undefined;
  let samples = 0;

  async function hear(signal: AbortSignal): Promise<void> {
    while (native.isReady(stream)) {
      native.decode(stream);
      current = native.getResult(stream);
      if (native.isEndpoint(stream)) {
        endUtterance();
        native.reset(stream);
      }
      stepped();
      // The step has held the process up; what came meanwhile, a cancel for one, is heard now.
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    }
  }

  function endUtterance(): void {
    const pieces = current ? piecesOf(current, samples / SPEECH_RATE) : [];
    if (pieces.length > 0) {
      utterances.push({ pieces });
      ended += pieces.map(({ text }) => text).join('');
    }
    current = undefined;
  }

  return {
    async feed(sound, signal) {
      samples += sound.length;
      stream.acceptWaveform({ samples: floats(sound), sampleRate: SPEECH_RATE });
      await hear(signal);
    },
    async finish(signal) {
      const closingMs = Math.ceil(CLOSING_SILENCE_MS / chunkMs) * chunkMs;
      stream.acceptWaveform({ samples: new Float32Array((closingMs * SPEECH_RATE) / 1000), sampleRate: SPEECH_RATE });
      stream.inputFinished();
      await hear(signal);
      endUtterance();
    },
    text() {
      const pieces = current ? piecesOf(current, samples / SPEECH_RATE) : [];
      return (ended + pieces.map(({ text }) => text).join('')).trim();
    },
    groups: () => utterances,
    get seconds() {
      return samples / SPEECH_RATE;
    },
  };
}

function floats(sound: Int16Array): Float32Array {
  const out = new Float32Array(sound.length);
  for (let i = 0; i < sound.length; i += 1) out[i] = (sound[i] ?? 0) / 2 ** 15;
  return out;
}
