// Makes small recordings and films with ffmpeg, and reads them back: the test's own eyes, apart from the engine's.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { FfmpegContext } from '../../../src/engines/ffmpeg/run-ffmpeg.ts';
import { ffmpegPath } from './have-ffmpeg.ts';

const run = promisify(execFile);

/** `args` as one would type them, without ffmpeg itself and without spaces inside of them. */
export async function make(args: string, output: string): Promise<void> {
  await run(ffmpegPath, ['-v', 'error', '-y', ...args.split(' '), output]);
}

export type Stream = {
  codec_name: string;
  width: number;
  height: number;
  avg_frame_rate: string;
  sample_rate: string;
  channels: number;
};
export type Probed = {
  streams: Stream[];
  format: { format_name: string; duration: string; tags?: Record<string, string> };
};

export async function ffprobe(path: string): Promise<{ stream: Stream; format: Probed['format'] }> {
  const args = ['-v', 'error', '-show_streams', '-show_format', '-of', 'json', path];
  const { stdout } = await run(ffmpegPath.replace(/ffmpeg(\.exe)?$/, 'ffprobe$1'), args);
  const { streams, format } = JSON.parse(stdout) as Probed;
  const [stream] = streams;
  if (!stream) throw new Error(`${path} has no streams`);
  return { stream, format };
}

/** Every frame as raw colours, 3 bytes a pixel. */
export async function framesOf(path: string, width: number, height: number): Promise<Buffer[]> {
  const args = ['-v', 'error', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'rgb24', 'pipe:1'];
  const { stdout } = await run(ffmpegPath, args, { encoding: 'buffer', maxBuffer: 2 ** 28 });
  const bytes = width * height * 3;
  return Array.from({ length: stdout.length / bytes }, (_, i) => stdout.subarray(i * bytes, (i + 1) * bytes));
}

export function context(patch: Partial<FfmpegContext> = {}): FfmpegContext {
  return {
    signal: new AbortController().signal,
    settings: { modelsRoot: '', cpuThreads: 1 },
    ...patch,
  };
}
