// Any sound file as 16-bit mono at 16 kHz: plain WAV files by ourselves, everything else through ffmpeg.
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { FfmpegContext } from '../ffmpeg/run-ffmpeg.ts';
import { toWav16kMono } from '../ffmpeg/transcode.ts';
import { AUDIO_SECONDS_MAX, SPEECH_RATE } from './limits.ts';
import { isWav, readWav } from './read-wav.ts';
import { resample, toInt16 } from './resample.ts';

/** `scratchDir` is where ffmpeg may write; nothing is left there. */
export type SpeechContext = FfmpegContext & { readonly scratchDir: string };

export async function speechSamples(path: string, context: SpeechContext): Promise<Int16Array> {
  const samples = (await plainWav(path, context.signal)) ?? (await throughFfmpeg(path, context));
  context.signal.throwIfAborted();
  if (samples.length === 0) throw new Failure('INPUT_INVALID', 'the audio is empty: it holds no samples');
  return samples;
}

/** `undefined` for whatever is not a WAV file that we read ourselves. */
async function plainWav(path: string, signal: AbortSignal): Promise<Int16Array | undefined> {
  if (!isWav(await beginning(path))) return undefined;
  const sound = readWav(await readFile(path, { signal }));
  if (!sound) return undefined;
  if (sound.samples.length / sound.sampleRate > AUDIO_SECONDS_MAX) {
    const message = `the audio is longer than ${AUDIO_SECONDS_MAX} s, the most that is taken: cut it into parts`;
    throw new Failure('INPUT_INVALID', message);
  }
  if (sound.samples.length === 0) return new Int16Array();
  return toInt16(await resample(sound.samples, sound.sampleRate, SPEECH_RATE, signal));
}

async function throughFfmpeg(path: string, context: SpeechContext): Promise<Int16Array> {
  const decoded = join(context.scratchDir, 'decoded.wav');
  try {
    await toWav16kMono(path, decoded, { ...context, secondsMax: AUDIO_SECONDS_MAX });
    const samples = await plainWav(decoded, context.signal);
    if (!samples) throw new Failure('ENGINE_FAILED', 'ffmpeg wrote a WAV file that cannot be read');
    return samples;
  } finally {
    await rm(decoded, { force: true });
  }
}

async function beginning(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(new Uint8Array(12), 0, 12, 0);
  return buffer.subarray(0, bytesRead);
}
