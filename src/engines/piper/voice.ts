// A loaded voice: speaks a text piece by piece and answers with a sound file.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import wavefile from 'wavefile';
import { Failure } from '../../protocol/failure.ts';
import type { TtsTask } from '../../protocol/index.ts';
import { toInt16 } from '../audio/resample.ts';
import type { EngineResult, LoadedModel, RunContext } from '../engine.ts';
import { AUDIO_EXTS, encodeAudio } from '../ffmpeg/transcode.ts';
import type { Tts } from './library.ts';
import { sentencesOf } from './sentences.ts';
import { type Speakers, speakerId } from './speakers.ts';

export type VoiceParts = { readonly tts: Tts; readonly speakers: Speakers; readonly memoryBytes: number };

/** OpenAI's own bounds; beyond them a voice is noise. */
const SPEED_MIN = 0.25;
const SPEED_MAX = 4;
/** About half an hour of speech, 80 MB as a WAV file. */
const TEXT_LENGTH_MAX = 30_000;
/** Chunks of a result that are quick to transfer. */
const CHUNK_BYTES = 1024 * 1024;

export function openVoice({ tts, speakers, memoryBytes }: VoiceParts): LoadedModel {
  return {
    memoryBytes,
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'audio_tts') {
        throw new Failure('KIND_UNSUPPORTED', `piper engine cannot serve ${task.kind} tasks`);
      }
      const ext = extOf(task);
      const speed = speedOf(task);
      const sid = speakerId(task.voice, speakers);
      const samples = await speak(piecesOf(task), { tts, sid, speed, context });
      return resultOf(wavOf(samples, tts.sampleRate), ext, context);
    },
    // The library frees a voice only with the process, which is why each lives in one of its own.
    async [Symbol.asyncDispose]() {},
  };
}

function extOf({ ext }: TtsTask): string {
  const wanted = ext.toLowerCase().replace(/^\./, '');
  if (AUDIO_EXTS.includes(wanted)) return wanted;
  throw new Failure('INPUT_INVALID', `speech cannot be written as \`${ext}\`; choose ${AUDIO_EXTS.join(', ')}`);
}

function speedOf({ speed = 1 }: TtsTask): number {
  if (speed >= SPEED_MIN && speed <= SPEED_MAX) return speed;
  throw new Failure('INPUT_INVALID', `speed ${speed} is out of bounds: ${SPEED_MIN} to ${SPEED_MAX}`);
}

/** An empty text must not reach the library, which ends with a segmentation fault on it. */
function piecesOf({ text }: TtsTask): string[] {
  if (text.length > TEXT_LENGTH_MAX) {
    const why = `the text has ${text.length} characters, more than ${TEXT_LENGTH_MAX}: cut it into parts`;
    throw new Failure('INPUT_INVALID', why);
  }
  const pieces = sentencesOf(text);
  if (pieces.length === 0) throw new Failure('INPUT_INVALID', 'the text is empty: there is nothing to speak');
  return pieces;
}

type Speaking = { readonly tts: Tts; readonly sid: number; readonly speed: number; readonly context: RunContext };

async function speak(pieces: readonly string[], { tts, sid, speed, context }: Speaking): Promise<Int16Array> {
  const { signal } = context;
  const spoken: Int16Array[] = [];
  for (const [i, text] of pieces.entries()) {
    signal.throwIfAborted();
    try {
      const { samples } = await tts.generateAsync({ text, sid, speed, onProgress: () => !signal.aborted });
      spoken.push(toInt16(samples));
    } catch (thrown) {
      signal.throwIfAborted();
      // A piece of signs that the voice does not know; what it does know is still worth hearing.
      if (!/no audio/i.test(String(thrown))) throw thrown;
      context.log('warn', `the voice cannot pronounce a piece of the text: ${text.slice(0, 80)}`);
    }
    context.progress({ ratio: (i + 1) / pieces.length, step: i + 1, steps: pieces.length });
  }
  signal.throwIfAborted();
  if (!spoken.some(({ length }) => length > 0)) {
    throw new Failure('INPUT_INVALID', 'the voice cannot pronounce any of the text: choose a voice for its language');
  }
  return joined(spoken);
}

function joined(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function wavOf(samples: Int16Array, sampleRate: number): Uint8Array {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, sampleRate, '16', samples);
  return wav.toBuffer();
}

async function resultOf(wav: Uint8Array, ext: string, context: RunContext): Promise<EngineResult> {
  if (ext === 'wav') return { kind: 'bytes', ext, chunks: chunksOf(wav) };
  const { scratchDir, signal, settings } = context;
  const [spoken, encoded] = [join(scratchDir, 'speech.wav'), join(scratchDir, `encoded.${ext}`)];
  await writeFile(spoken, wav);
  // The text is spoken; this only tells the watchdog that the file is being written.
  await encodeAudio(spoken, ext, encoded, { signal, settings, progress: () => context.progress({ ratio: 1 }) });
  return { kind: 'bytes', ext, chunks: chunksOf(await readFile(encoded, { signal })) };
}

/** Each chunk owns its memory, since it is given away. */
function* chunksOf(file: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < file.byteLength; at += CHUNK_BYTES) yield new Uint8Array(file.subarray(at, at + CHUNK_BYTES));
}
