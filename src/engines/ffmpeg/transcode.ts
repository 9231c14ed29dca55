// The transcoder that all engines share: any audio to what a recogniser hears, a voice's WAV to the file that was asked
// for, any video to mp4. Paths in, paths out; the caller owns the folder.
import { stat } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import { encodersOf, videoEncoder } from './encoders.ts';
import { findFfmpeg } from './find-ffmpeg.ts';
import { AUDIO_FORMATS, VIDEO_FORMATS } from './formats.ts';
import { durationIn, PROGRESS_ARGS, progressLines } from './progress.ts';
import { type FfmpegContext, fileInput, runFfmpeg } from './run-ffmpeg.ts';

/** 16-bit samples at 16 kHz, as every recogniser wants them. */
const BYTES_PER_SECOND = 32_000;
/** Four hours are 460 MB as WAV. A few kilobytes of a hostile file could otherwise unfold until the disk is full. */
const AUDIO_SECONDS_MAX = 4 * 3600;

type AudioEncoder = { readonly encoder: string; readonly format: string; readonly args: readonly string[] };

/** By the extension of the file. Rates are those at which speech sounds like its WAV. */
const AUDIO_ENCODERS: Readonly<Record<string, AudioEncoder>> = {
  wav: { encoder: 'pcm_s16le', format: 'wav', args: [] },
  mp3: { encoder: 'libmp3lame', format: 'mp3', args: ['-q:a', '2'] },
  opus: { encoder: 'libopus', format: 'ogg', args: ['-b:a', '48k'] },
  ogg: { encoder: 'libopus', format: 'ogg', args: ['-b:a', '48k'] },
  flac: { encoder: 'flac', format: 'flac', args: [] },
  m4a: { encoder: 'aac', format: 'ipod', args: ['-b:a', '96k', '-movflags', '+faststart'] },
  aac: { encoder: 'aac', format: 'adts', args: ['-b:a', '96k'] },
};

/** The extensions that `encodeAudio` writes. */
export const AUDIO_EXTS: readonly string[] = Object.keys(AUDIO_ENCODERS);

/**
 * Decodes the first audio track of `input` into `output`, a WAV of 16-bit mono samples at 16 kHz. A file without sound,
 * an unknown container and one that is longer than `secondsMax` (four hours) are `INPUT_INVALID`.
 */
export async function toWav16kMono(
  input: string,
  output: string,
  context: FfmpegContext & { readonly secondsMax?: number },
): Promise<void> {
  await refuseEmpty(input, 'the audio');
  const { secondsMax = AUDIO_SECONDS_MAX } = context;
  // One second more than allowed is enough to see that it is too long.
  const limit = ['-t', String(secondsMax + 1)];
  const shape = ['-ac', '1', '-ar', '16000', '-c:a', 'pcm_s16le', '-map_metadata', '-1', '-f', 'wav'];
  const source = [...PROGRESS_ARGS, ...fileInput(input, AUDIO_FORMATS), '-map', '0:a:0'];
  let length: number | undefined;
  await runFfmpeg(
    {
      what: 'decoding the audio',
      args: [...source, ...limit, ...shape, `file:${output}`],
      blame: 'INPUT_INVALID',
      heard: (line) => {
        length ??= durationIn(line);
      },
      line: progressLines(({ seconds }) => {
        if (length) context.progress?.(Math.min(1, seconds / length));
      }),
    },
    context,
  );
  const { size } = await stat(output);
  if (size > (secondsMax + 0.5) * BYTES_PER_SECOND) {
    throw new Failure('INPUT_INVALID', `the audio is longer than ${secondsMax} s, the most that is taken`);
  }
  context.progress?.(1);
}

/** Writes the WAV file `wav` as what `ext` says into `output`. `seconds`, when known, gives progress. */
export async function encodeAudio(
  wav: string,
  ext: string,
  output: string,
  context: FfmpegContext & { readonly seconds?: number },
): Promise<void> {
  const how = Object.hasOwn(AUDIO_ENCODERS, ext) ? AUDIO_ENCODERS[ext] : undefined;
  if (!how) {
    throw new Failure('INPUT_INVALID', `audio cannot be written as \`${ext}\`; there are: ${AUDIO_EXTS.join(', ')}`);
  }
  const ffmpeg = await findFfmpeg(context.settings.modelsRoot);
  if (!(await encodersOf(ffmpeg)).has(how.encoder)) {
    throw new Failure('ENGINE_UNAVAILABLE', `\`${ffmpeg}\` has no encoder for ${ext} (${how.encoder})`);
  }
  const shape = ['-map', '0:a:0', '-map_metadata', '-1', '-c:a', how.encoder, ...how.args, '-f', how.format];
  const args = [...PROGRESS_ARGS, ...fileInput(wav, ['wav', 'w64']), ...shape, `file:${output}`];
  const line = progressLines(({ seconds }) => {
    if (context.seconds) context.progress?.(Math.min(1, seconds / context.seconds));
  });
  await runFfmpeg({ what: `encoding the audio as ${ext}`, args, blame: 'ENGINE_FAILED', line }, context);
  context.progress?.(1);
}

/**
 * Writes the video `input` (avi, webm, mkv, mov, gif) as an mp4 of H.264 into `output`, frame for frame; one pixel is
 * added to an odd side, since its colours are stored at half the size. `frames`, when known, gives progress.
 */
export async function toMp4(
  input: string,
  output: string,
  context: FfmpegContext & { readonly frames?: number },
): Promise<void> {
  await refuseEmpty(input, 'the video');
  const encoder = await videoEncoder(await findFfmpeg(context.settings.modelsRoot), 'h264');
  const even = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2,format=yuv420p'];
  const codec = ['-c:v', encoder.name, ...encoder.args, '-threads', String(context.settings.cpuThreads)];
  const shape = ['-map', '0:v:0', '-map', '0:a:0?', '-map_metadata', '-1', ...even, ...codec, '-c:a', 'aac'];
  const container = ['-movflags', '+faststart', '-f', 'mp4', `file:${output}`];
  const args = [...PROGRESS_ARGS, ...fileInput(input, VIDEO_FORMATS), ...shape, ...container];
  const line = progressLines(({ frames }) => {
    if (context.frames) context.progress?.(Math.min(1, frames / context.frames));
  });
  await runFfmpeg({ what: 'writing the video as mp4', args, blame: 'ENGINE_FAILED', line }, context);
  context.progress?.(1);
}

async function refuseEmpty(path: string, what: string): Promise<void> {
  const { size } = await stat(path);
  if (size === 0) throw new Failure('INPUT_INVALID', `${what} is an empty file`);
}
