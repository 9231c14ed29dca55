// A loaded speech model: hears what a task brings and answers with a transcript.
import { Failure } from '../../protocol/failure.ts';
import type { SttTask } from '../../protocol/index.ts';
import { SPEECH_RATE } from '../audio/limits.ts';
import { recordingSamples } from '../audio/recording.ts';
import { type TimedGroup, type Transcript, transcriptOf } from '../audio/transcript.ts';
import type { LoadedModel, RunContext } from '../engine.ts';
import { groupsOf } from './groups.ts';
import { languageCode } from './languages.ts';
import type { NativeContext, NativeOptions, NativeResult, NativeVad } from './library.ts';
import type { SpeechModel } from './model-file.ts';
import { type NativeRunner, openNativeRunner } from './native-job.ts';
import type { NativeLog } from './native-log.ts';
import { cutQuietly, joinParts, mergeParts, type Part, timeInRecording } from './speech-parts.ts';

export type Parts = {
  readonly model: SpeechModel;
  readonly native: NativeContext;
  readonly log: NativeLog;
  readonly vad: NativeVad | undefined;
  readonly memoryBytes: number;
};

type Heard = { readonly groups: readonly TimedGroup[]; readonly language: string };
type Hearing = { readonly task: SttTask; readonly context: RunContext; readonly runner: NativeRunner };

/** whisper.cpp asks for a second at least, and says nothing at all to less than a tenth. */
const SAMPLES_MIN = SPEECH_RATE;
/** A minute is searched in a second or two; then a cancel is looked for. */
const VAD_SLICE_SAMPLES = 60 * SPEECH_RATE;
/**
 * Parakeet hears all of a piece at once, in memory that grows with the square of its length, and tells wrong times of
 * pieces beyond its window; the margin is a frame's rounding.
 */
const PARAKEET_SECONDS_MAX = 120;
const WINDOW_MARGIN_SECONDS = 0.1;
/** ISO 639-2 for "undetermined": parakeet does not say what it heard. */
const UNKNOWN_LANGUAGE = 'und';

export function openRecogniser({ model, native, log, vad, memoryBytes }: Parts): LoadedModel {
  const runner = openNativeRunner(model.kind, native, log);
  return {
    memoryBytes,
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'audio_stt') {
        throw new Failure('KIND_UNSUPPORTED', `whisper-cpp engine cannot serve ${task.kind} tasks`);
      }
      if ('operation' in task) {
        throw new Failure('KIND_UNSUPPORTED', 'whisper-cpp engine cannot serve live speech');
      }
      refuse(task, model, vad);
      const samples = await recordingSamples(task.inputUrl, context);
      return { kind: 'json', value: await transcribe(samples, { task, context, runner }, model, vad) };
    },
    async [Symbol.asyncDispose]() {
      await native.release();
      await vad?.release();
      log[Symbol.dispose]();
    },
  };
}

/** Everything that can be refused is refused before the audio is fetched. */
function refuse(task: SttTask, model: SpeechModel, vad: NativeVad | undefined): void {
  if (task.vad && !vad) {
    throw new Failure(
      'INPUT_INVALID',
      'vad was asked for, but the model has no file of role `vad` (a silero ggml .bin)',
    );
  }
  if (model.kind === 'parakeet') {
    if (task.translate) throw new Failure('INPUT_INVALID', 'parakeet models do not translate: use a whisper model');
    if (task.timestamps === 'word') {
      throw new Failure('INPUT_INVALID', 'parakeet models give times of segments only: use a whisper model for words');
    }
    return;
  }
  languageCode(task.language, model);
  if (task.translate && !model.multilingual) {
    throw new Failure('INPUT_INVALID', 'this whisper model knows English only and does not translate');
  }
}

async function transcribe(
  samples: Int16Array,
  hearing: Hearing,
  model: SpeechModel,
  vad: NativeVad | undefined,
): Promise<Transcript> {
  const { task, context } = hearing;
  const parts = task.vad && vad ? await speechIn(samples, vad, context) : [{ from: 0, to: samples.length }];
  const { sound, joined } = joinParts(samples, parts);
  const time = (seconds: number) => timeInRecording(seconds, joined);
  const nothing: Heard = { groups: [], language: task.language ?? UNKNOWN_LANGUAGE };
  const hear = model.kind === 'whisper' ? hearWhisper : hearParakeet;
  const heard = sound.length === 0 ? nothing : await hear(atLeastASecond(sound), hearing, model, time);
  context.progress({ ratio: 1 });
  const duration = samples.length / SPEECH_RATE;
  return transcriptOf(heard.groups, { language: heard.language, duration, words: task.timestamps === 'word' });
}

async function speechIn(samples: Int16Array, vad: NativeVad, context: RunContext): Promise<Part[]> {
  const found: Part[] = [];
  for (let from = 0; from < samples.length; from += VAD_SLICE_SAMPLES) {
    context.signal.throwIfAborted();
    // Nothing is transcribed yet, but somebody is at work.
    context.progress({ ratio: 0 });
    const slice = new Int16Array(samples.subarray(from, from + VAD_SLICE_SAMPLES));
    const last = from + slice.length;
    for (const { t0, t1 } of await vad.detectSpeechData(slice.buffer)) {
      const sample = (hundredths: number) => Math.min(last, from + Math.round((hundredths * SPEECH_RATE) / 100));
      found.push({ from: sample(t0), to: sample(t1) });
    }
  }
  return mergeParts(found);
}

async function hearWhisper(
  sound: Int16Array,
  { task, context, runner }: Hearing,
  model: SpeechModel,
  time: (seconds: number) => number,
): Promise<Heard> {
  const words = task.timestamps === 'word';
  const counts: number[] = [];
  const options: NativeOptions = {
    maxThreads: context.settings.cpuThreads,
    language: model.kind === 'whisper' ? languageCode(task.language, model) : 'auto',
    translate: task.translate ?? false,
    ...(task.prompt && { prompt: task.prompt }),
    // One token a "segment" is the library's only way to tell the times of words.
    ...(words && { maxLen: 1, tokenTimestamps: true }),
    onProgress: (percent) => context.progress({ ratio: Math.min(1, percent / 100) }),
    // The library reads this text while it goes on finding more, so it is for listening along; the transcript is made of
    // what it answers in the end, and only the counts are taken from here.
    onNewSegments({ nNew, result }) {
      counts.push(nNew);
      context.token(result);
    },
  };
  const result = await runner.run(sound, options, context.signal);
  const groups = groupsOf(result, (ms) => time(ms / 1000), words ? counts : undefined);
  return { groups, language: result.language || task.language || UNKNOWN_LANGUAGE };
}

async function hearParakeet(
  sound: Int16Array,
  { task, context, runner }: Hearing,
  model: SpeechModel,
  time: (seconds: number) => number,
): Promise<Heard> {
  const window = model.kind === 'parakeet' ? model.windowSeconds : 0;
  const seconds = window > 1 ? Math.min(PARAKEET_SECONDS_MAX, window - WINDOW_MARGIN_SECONDS) : PARAKEET_SECONDS_MAX;
  const pieces = cutQuietly(sound, Math.floor(seconds * SPEECH_RATE));
  const groups: TimedGroup[] = [];
  for (const [i, { from, to }] of pieces.entries()) {
    context.progress({ ratio: i / pieces.length });
    const piece = atLeastASecond(sound.subarray(from, to));
    const result = spacedFrom(
      groups,
      await runner.run(piece, { maxThreads: context.settings.cpuThreads }, context.signal),
    );
    if (result.result !== '') context.token(result.result);
    // A piece's last time is rounded up past its end.
    groups.push(...groupsOf(result, (ms) => time(Math.min(to, from + (ms * SPEECH_RATE) / 1000) / SPEECH_RATE)));
  }
  return { groups, language: task.language ?? UNKNOWN_LANGUAGE };
}

/** The library trims the space before the first word of a piece, which the piece before needs. */
function spacedFrom(before: readonly TimedGroup[], result: NativeResult): NativeResult {
  const [first, ...rest] = result.segments;
  if (before.length === 0 || !first || /^\s/.test(first.text)) return result;
  return { ...result, result: ` ${result.result}`, segments: [{ ...first, text: ` ${first.text}` }, ...rest] };
}

function atLeastASecond(sound: Int16Array): Int16Array {
  if (sound.length >= SAMPLES_MIN) return sound;
  const padded = new Int16Array(SAMPLES_MIN);
  padded.set(sound);
  return padded;
}
