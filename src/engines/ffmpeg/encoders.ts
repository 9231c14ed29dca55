// Which video encoders an ffmpeg has, and how each is told to be quick on few threads. Distributions differ: some leave
// out x264, many leave out one of the AV1 encoders.
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';
import { childEnv } from './child-env.ts';

export type VideoCodec = 'h264' | 'vp9' | 'av1';
export type VideoEncoder = { readonly name: string; readonly args: readonly string[] };

/** It says what was compiled in; that takes 50 ms, unless its libraries are on a sleeping disk. */
const ASK_MS_MAX = 20_000;

/** In the order of preference. Qualities are those at which a photograph shows no blocks at its usual size. */
const ENCODERS: Readonly<Record<VideoCodec, readonly VideoEncoder[]>> = {
  h264: [
    { name: 'libx264', args: ['-preset', 'veryfast', '-crf', '20'] },
    { name: 'libopenh264', args: ['-b:v', '4M'] },
    { name: 'h264_videotoolbox', args: ['-b:v', '6M'] },
  ],
  vp9: [{ name: 'libvpx-vp9', args: ['-deadline', 'realtime', '-cpu-used', '6', '-crf', '30', '-b:v', '0'] }],
  av1: [
    // The reference encoder keeps to `-threads`; SVT starts as many as there are cores.
    { name: 'libaom-av1', args: ['-usage', 'realtime', '-cpu-used', '8', '-crf', '32', '-b:v', '0'] },
    { name: 'libsvtav1', args: ['-preset', '10', '-crf', '35'] },
  ],
};

/** For people: what each codec is looked for under. */
export const ENCODER_NAMES: Readonly<Record<VideoCodec, readonly string[]>> = {
  h264: ENCODERS.h264.map(({ name }) => name),
  vp9: ENCODERS.vp9.map(({ name }) => name),
  av1: ENCODERS.av1.map(({ name }) => name),
};

const lists = new Map<string, Promise<ReadonlySet<string>>>();

/** The names of all encoders of this ffmpeg. Asked once in the life of a thread. */
export function encodersOf(ffmpeg: string): Promise<ReadonlySet<string>> {
  const known = lists.get(ffmpeg);
  if (known) return known;
  const asked = listEncoders(ffmpeg);
  lists.set(ffmpeg, asked);
  asked.catch(() => lists.delete(ffmpeg));
  return asked;
}

export async function videoEncoder(ffmpeg: string, codec: VideoCodec): Promise<VideoEncoder> {
  const there = await encodersOf(ffmpeg);
  const found = ENCODERS[codec].find(({ name }) => there.has(name));
  if (found) return found;
  const names = ENCODER_NAMES[codec].join(', ');
  throw new Failure('ENGINE_UNAVAILABLE', `\`${ffmpeg}\` has no encoder for ${codec} (${names}): install a full build`);
}

/** Such as `5.1.9-0+deb12u1`. */
export async function versionOf(ffmpeg: string): Promise<string> {
  return /^ffmpeg version (\S+)/.exec(await ask(ffmpeg, '-version'))?.[1] ?? 'of an unknown version';
}

async function listEncoders(ffmpeg: string): Promise<ReadonlySet<string>> {
  // " V....D libx264              libx264 H.264 / AVC (codec h264)"
  const lines = (await ask(ffmpeg, '-encoders')).matchAll(/^ [VAS][A-Z.]{5} (\S+)/gm);
  return new Set([...lines].map(([, name = '']) => name));
}

async function ask(ffmpeg: string, question: string): Promise<string> {
  const options = { env: childEnv(process.env), extendEnv: false, stdin: 'ignore', timeout: ASK_MS_MAX } as const;
  const { stdout, failed, message } = await execa(ffmpeg, ['-hide_banner', question], { ...options, reject: false });
  if (failed) throw new Failure('ENGINE_UNAVAILABLE', `\`${ffmpeg}\` cannot be run: ${message}`);
  return stdout;
}
