// A loaded streaming model: transcribes live speech as it comes, or the recording that a task brings.
import { Failure } from '../../protocol/failure.ts';
import type { SttTask } from '../../protocol/index.ts';
import { AUDIO_SECONDS_MAX, SPEECH_RATE } from '../audio/limits.ts';
import { recordingSamples } from '../audio/recording.ts';
import { type Transcript, transcriptOf } from '../audio/transcript.ts';
import type { LoadedModel, RunContext, SpeechStream } from '../engine.ts';
import { type Hearing, openHearing } from './hearing.ts';
import { languageTag } from './language.ts';
import type { NativeRecogniser } from './library.ts';

export type RecogniserParts = {
  readonly native: NativeRecogniser;
  readonly chunkMs: number;
  readonly languages: readonly string[];
  readonly memoryBytes: number;
};

/** Of a recording, what is heard between two looks at the progress: half a minute. */
const PIECE_SAMPLES = 30 * SPEECH_RATE;
/** ISO 639-2 for "undetermined": these models do not say what they heard. */
const UNKNOWN_LANGUAGE = 'und';

export function openRecogniser({ native, chunkMs, languages, memoryBytes }: RecogniserParts): LoadedModel {
  return {
    memoryBytes,
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'audio_stt') {
        throw new Failure('KIND_UNSUPPORTED', `sherpa-stream engine cannot serve ${task.kind} tasks`);
      }
      if (!('operation' in task)) refuse(task);
      const language = languageTag(task.language, languages);
      const listen = (stepped: () => void) => openHearing({ native, chunkMs, language, stepped });
      const live = 'operation' in task;
      const hearing = live ? await hearLive(listen, context) : await hearRecording(task, listen, context, chunkMs);
      return { kind: 'json', value: transcript(hearing, task) };
    },
    // The library frees a model only with the process, which is why each lives in one of its own.
    async [Symbol.asyncDispose]() {},
  };
}

/** What is refused is refused before the audio is fetched. */
function refuse(task: SttTask): void {
  if (task.translate) {
    throw new Failure('INPUT_INVALID', 'streaming models do not translate: use a whisper model (engine whisper-cpp)');
  }
  if (task.vad) {
    throw new Failure('INPUT_INVALID', 'streaming models know no vad: use whisper-cpp with a file of role `vad`');
  }
}

async function hearLive(listen: (stepped: () => void) => Hearing, context: RunContext): Promise<Hearing> {
  const { signal, input } = context;
  if (!input) throw new Failure('INPUT_INVALID', 'live speech comes as the input of a run, and this one has none');
  let told = '';
  const hearing = listen(() => {
    const text = hearing.text();
    if (text === told) return;
    told = text;
    context.partial(text);
  });
  for await (const bytes of input) {
    signal.throwIfAborted();
    if (hearing.seconds > AUDIO_SECONDS_MAX) {
      throw new Failure('INPUT_INVALID', `nobody speaks for longer than ${AUDIO_SECONDS_MAX} s: begin a new stream`);
    }
    await hearing.feed(samplesOf(bytes), signal);
  }
  signal.throwIfAborted();
  await hearing.finish(signal);
  return hearing;
}

async function hearRecording(
  { inputUrl }: SttTask,
  listen: (stepped: () => void) => Hearing,
  context: RunContext,
  chunkMs: number,
): Promise<Hearing> {
  const { signal } = context;
  const samples = await recordingSamples(inputUrl, context);
  let told = '';
  const stepsInAll = Math.ceil((samples.length / SPEECH_RATE) * (1000 / chunkMs));
  let steps = 0;
  const hearing = listen(() => {
    steps += 1;
    context.progress({ ratio: Math.min(1, steps / stepsInAll) });
  });
  for (let from = 0; from < samples.length; from += PIECE_SAMPLES) {
    await hearing.feed(samples.subarray(from, from + PIECE_SAMPLES), signal);
    told = tellUtterances(hearing, told, context);
  }
  await hearing.finish(signal);
  tellUtterances(hearing, told, context);
  context.progress({ ratio: 1 });
  return hearing;
}

/** Passes on what does not change any more. */
function tellUtterances(hearing: Hearing, told: string, context: RunContext): string {
  const text = hearing
    .groups()
    .flatMap(({ pieces }) => pieces.map((piece) => piece.text))
    .join('')
    .trimStart();
  if (text.length > told.length) context.token(text.slice(told.length));
  return text;
}

function transcript(hearing: Hearing, task: SttTask | SpeechStream): Transcript {
  const words = 'timestamps' in task && task.timestamps === 'word';
  const language = task.language ?? UNKNOWN_LANGUAGE;
  return transcriptOf(hearing.groups(), { language, duration: hearing.seconds, words });
}

/** A chunk of input is whole samples; what it is a view of may lie at an odd address. */
function samplesOf(bytes: Uint8Array): Int16Array {
  if (bytes.byteLength % 2 !== 0) throw new Failure('INPUT_INVALID', 'live speech must be whole 16-bit samples');
  return new Int16Array(new Uint8Array(bytes).buffer);
}
