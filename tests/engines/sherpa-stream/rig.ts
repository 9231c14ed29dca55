// Sound for the scripted recognisers, and the words that they hear in it.
import {
  STREAM_WORDS,
  type StreamingCtcOptions,
  streamingCtc,
  streamingTokens,
} from '../../../fixtures/models/streaming-ctc.ts';
import { concat, type FileSpec } from '../speech-rig.ts';

export const RATE = 16_000;

/** Loud enough for the scripted models, and speech to the detector of its end. */
export function tone(seconds: number, amplitude = 0.3): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * RATE) }, (_, i) => amplitude * Math.sin(i * 0.17));
}

export function pause(seconds: number): Float32Array {
  return new Float32Array(Math.round(seconds * RATE));
}

export function pcm(...sounds: readonly Float32Array[]): Buffer {
  return Buffer.concat(
    sounds.map((sound) => Buffer.from(Int16Array.from(sound, (sample) => Math.round(sample * 32_767)).buffer)),
  );
}

/**
 * Sound in which the scripted model hears so many words, 0.32 s each. It keeps clear of the edges of the model's steps, so
 * the count is exact wherever it stands among sounds that are whole words long.
 */
export function speech(words: number): Float32Array {
  const edge = 0.04;
  return concat(pause(edge), tone(words * 0.32 - 2 * edge), pause(edge));
}

/** Silence of so many words' length. */
export function hush(words: number): Float32Array {
  return pause(words * 0.32);
}

export function said(words: number): string {
  return Array.from({ length: words }, (_, i) => STREAM_WORDS[i % STREAM_WORDS.length]).join(' ');
}

export function ctcFiles(options: StreamingCtcOptions = {}): FileSpec[] {
  return [
    { role: 'model', filename: 'model.onnx', content: streamingCtc(options) },
    { role: 'tokens', filename: 'tokens.txt', content: streamingTokens() },
  ];
}

/** In chunks of `bytes`, as a microphone's program sends them. */
export async function* chunked(sound: Buffer, bytes = 3_200): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sound.length; at += bytes) yield new Uint8Array(sound.subarray(at, at + bytes));
}
