// Decodes a finished video to its last frame and says what is in it. A program that ended with 0 may still have written
// an empty or a cut file, so a result counts only after this.
import { stat } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import { VIDEO_FORMATS } from './formats.ts';
import { type FfmpegContext, fileInput, runFfmpeg } from './run-ffmpeg.ts';

export type VideoFacts = {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly seconds: number;
};

/** Rejects with `ENGINE_FAILED` when the file is no video, or one that breaks off. */
export async function inspectVideo(path: string, context: FfmpegContext): Promise<VideoFacts> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw new Failure('ENGINE_FAILED', 'the program that makes the video wrote no file', { cause });
  });
  if (size === 0) throw new Failure('ENGINE_FAILED', 'the video that was made is an empty file');
  // A checksum for each frame, one line each: text that is made for programs, unlike the tables on standard error.
  const shape = ['-map', '0:v:0', '-f', 'framecrc', 'pipe:1'];
  const args = ['-xerror', ...fileInput(path, VIDEO_FORMATS), ...shape];
  const seen = { width: 0, height: 0, frames: 0, ticks: 0, tick: 0 };
  await runFfmpeg(
    { what: 'reading back the video', args, blame: 'ENGINE_FAILED', line: (line) => read(line, seen) },
    context,
  );
  const { width, height, frames } = seen;
  if (frames === 0) throw new Failure('ENGINE_FAILED', 'the video that was made has no frames');
  return { width, height, frames, seconds: seen.ticks * seen.tick };
}

/** `#tb 0: 1/25`, `#dimensions 0: 320x240`, then `stream, dts, pts, duration, bytes, checksum` a frame. */
function read(
  line: string,
  seen: { width: number; height: number; frames: number; ticks: number; tick: number },
): void {
  const [, name, one = 0, other = 0] = /^#(tb|dimensions) 0: (\d+)[/x](\d+)/.exec(line) ?? [];
  if (name === 'tb') seen.tick = Number(one) / Number(other);
  if (name === 'dimensions') [seen.width, seen.height] = [Number(one), Number(other)];
  if (!/^0,/.test(line)) return;
  const [, , pts, duration] = line.split(',').map(Number);
  seen.frames += 1;
  seen.ticks = Math.max(seen.ticks, (pts ?? 0) + (duration ?? 0));
}
