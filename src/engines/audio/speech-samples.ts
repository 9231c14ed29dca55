// Any sound file as 16-bit mono at 16 kHz: plain WAV files by ourselves, everything else through ffmpeg.
import { open, readFile } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import { decodeSpeech, type FfmpegOptions } from './ffmpeg.ts';
import { AUDIO_SECONDS_MAX, SPEECH_RATE } from './limits.ts';
import { isWav, readWav } from './read-wav.ts';
import { resample, toInt16 } from './resample.ts';

export async function speechSamples(path: string, options: FfmpegOptions): Promise<Int16Array> {
  const samples = (await plainWav(path, options.signal)) ?? (await decodeSpeech(path, options));
  options.signal.throwIfAborted();
  if (samples.length === 0) throw new Failure('INPUT_INVALID', 'the audio is empty: it holds no samples');
  refuseLonger(samples.length / SPEECH_RATE);
  return samples;
}

/** `undefined` for whatever is not a WAV file that we read ourselves. */
async function plainWav(path: string, signal: AbortSignal): Promise<Int16Array | undefined> {
  if (!isWav(await beginning(path))) return undefined;
  const sound = readWav(await readFile(path, { signal }));
  if (!sound) return undefined;
  if (sound.samples.length === 0) return new Int16Array();
  refuseLonger(sound.samples.length / sound.sampleRate);
  return toInt16(await resample(sound.samples, sound.sampleRate, SPEECH_RATE, signal));
}

function refuseLonger(seconds: number): void {
  if (seconds <= AUDIO_SECONDS_MAX) return;
  throw new Failure('INPUT_INVALID', `the audio is longer than ${AUDIO_SECONDS_MAX / 3600} hours: cut it into parts`);
}

async function beginning(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(new Uint8Array(12), 0, 12, 0);
  return buffer.subarray(0, bytesRead);
}
