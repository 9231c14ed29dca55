// The one place of the speech engines that calls ffmpeg: to read what is no plain WAV file, and to write what is none.
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';
import { AUDIO_SECONDS_MAX, SPEECH_RATE } from './limits.ts';

/** Containers and bare streams of sound. Playlists (HLS, concat) are left out, since they name other files to be read. */
const READABLE =
  'aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,gsm,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,oga,ogg,opus,tta,w64,wav,wv';

/** Encoders of a full ffmpeg build; `-b:a` only where a bitrate means something. */
const ENCODERS = {
  mp3: ['-c:a', 'libmp3lame', '-b:a', '128k', '-f', 'mp3'],
  opus: ['-c:a', 'libopus', '-b:a', '64k', '-f', 'opus'],
  ogg: ['-c:a', 'libvorbis', '-q:a', '5', '-f', 'ogg'],
  flac: ['-c:a', 'flac', '-f', 'flac'],
} as const satisfies Record<string, readonly string[]>;
export type EncodedExt = keyof typeof ENCODERS;
export const ENCODED_EXTS = Object.keys(ENCODERS) as EncodedExt[];

export type FfmpegOptions = { readonly signal: AbortSignal; readonly threads: number };

/** The sound of any file that ffmpeg reads, as 16-bit mono at 16 kHz, cut a second past the most that a job may bring. */
export async function decodeSpeech(path: string, { signal, threads }: FfmpegOptions): Promise<Int16Array> {
  const pcm = await ffmpeg(
    [
      // Only this file: neither the network nor other files of this machine, whatever the input says.
      ...['-protocol_whitelist', 'file', '-format_whitelist', READABLE, '-threads', String(threads)],
      ...['-i', `file:${path}`, '-vn', '-sn', '-dn', '-ac', '1', '-ar', String(SPEECH_RATE)],
      ...['-t', String(AUDIO_SECONDS_MAX + 1), '-f', 's16le', 'pipe:1'],
    ],
    'to read audio that is not a plain WAV file',
    (reason) => new Failure('INPUT_INVALID', `the audio could not be decoded: ${reason}`),
    signal,
  );
  return new Int16Array(pcm.buffer, pcm.byteOffset, Math.floor(pcm.byteLength / 2));
}

/** A WAV file as `ext`. `scratch` is a path of ours where the WAV file may lie meanwhile. */
export async function encodeSpeech(
  wav: Uint8Array,
  ext: EncodedExt,
  scratch: string,
  { signal, threads }: FfmpegOptions,
): Promise<Uint8Array> {
  await writeFile(scratch, wav);
  return ffmpeg(
    ['-f', 'wav', '-i', `file:${scratch}`, '-threads', String(threads), ...ENCODERS[ext], 'pipe:1'],
    `to write ${ext} files (ask for wav to do without)`,
    (reason) => new Failure('ENGINE_FAILED', `the ${ext} file could not be written: ${reason}`),
    signal,
  );
}

async function ffmpeg(
  args: readonly string[],
  purpose: string,
  failure: (reason: string) => Failure,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const result = await execa('ffmpeg', ['-nostdin', '-hide_banner', '-loglevel', 'error', ...args], {
    encoding: 'buffer',
    stdin: 'ignore',
    reject: false,
    cancelSignal: signal,
    // The output is bounded by the length asked for, the complaints are not.
    maxBuffer: { stdout: 4 * (AUDIO_SECONDS_MAX + 2) * SPEECH_RATE, stderr: 64 * 1024 },
  });
  signal.throwIfAborted();
  if (result.code === 'ENOENT') {
    throw new Failure('ENGINE_UNAVAILABLE', `ffmpeg is needed ${purpose}: install the package \`ffmpeg\``);
  }
  if (result.failed || !result.stdout) {
    const said = Buffer.from(result.stderr ?? [])
      .toString()
      .trim()
      .split('\n')
      .at(-1);
    throw failure((said || result.shortMessage || 'it wrote nothing').slice(0, 300));
  }
  return new Uint8Array(result.stdout);
}
