// Moves the camera over one picture and writes the film: the arguments of the one ffmpeg run that does both, and the
// check that its file is what was asked for.
import { Failure } from '../../protocol/failure.ts';
import { videoEncoder } from './encoders.ts';
import { findFfmpeg } from './find-ffmpeg.ts';
import { inspectVideo } from './inspect-video.ts';
import { zoompan } from './motion.ts';
import type { VideoPlan } from './plan.ts';
import { PROGRESS_ARGS, progressLines } from './progress.ts';
import { type FfmpegContext, runFfmpeg } from './run-ffmpeg.ts';

/** Raw colours, 3 bytes a pixel: the one input format in which nothing can be misread. */
export type RawPicture = { readonly path: string; readonly width: number; readonly height: number };

export async function makeVideo(
  plan: VideoPlan,
  picture: RawPicture,
  anchor: number,
  output: string,
  context: FfmpegContext & { step(frame: number): void },
): Promise<void> {
  const input = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-video_size', `${picture.width}x${picture.height}`];
  const source = [...input, '-protocol_whitelist', 'file', '-i', `file:${picture.path}`];
  const shape = await outputArgs(plan, anchor, source, context);
  const line = progressLines(({ frames }) => context.step(Math.min(frames, plan.frames)));
  // Without the time and the program's version in the file, the same task gives the same bytes.
  const exact = ['-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact'];
  const args = [...PROGRESS_ARGS, ...source, ...shape, ...exact, `file:${output}`];
  await runFfmpeg({ what: `writing the ${plan.ext}`, args, blame: 'ENGINE_FAILED', line }, context);
  await verify(plan, output, context);
}

async function outputArgs(
  plan: VideoPlan,
  anchor: number,
  source: readonly string[],
  context: FfmpegContext,
): Promise<readonly string[]> {
  const { cpuThreads, modelsRoot } = context.settings;
  const frames = ['-frames:v', String(plan.frames)];
  const moved = zoompan(plan, anchor);
  if (plan.codec === undefined) {
    // Every frame is a part of the picture, so its 256 colours are everybody's, and no frame has to wait for the last.
    const palette = `[0:v]${moved}[film];[1:v]palettegen=reserve_transparent=0[colours]`;
    const graph = `${palette};[film][colours]paletteuse=dither=bayer:bayer_scale=3`;
    return [...source, '-filter_complex', graph, ...frames, '-loop', '0', '-f', 'gif'];
  }
  const encoder = await videoEncoder(await findFfmpeg(modelsRoot), plan.codec);
  const codec = ['-c:v', encoder.name, ...encoder.args, '-threads', String(cpuThreads), '-pix_fmt', 'yuv420p'];
  const container = plan.ext === 'mp4' ? ['-movflags', '+faststart', '-f', 'mp4'] : ['-f', 'webm'];
  return ['-vf', moved, ...frames, ...codec, ...container];
}

async function verify(plan: VideoPlan, output: string, context: FfmpegContext): Promise<void> {
  const facts = await inspectVideo(output, context);
  const seconds = plan.frames / plan.fps;
  // A GIF writes frames that do not differ as one that stands longer, and counts hundredths of a second.
  const framesAgree = plan.ext === 'gif' ? facts.frames <= plan.frames : facts.frames === plan.frames;
  const agree = facts.width === plan.width && facts.height === plan.height && framesAgree;
  if (agree && Math.abs(facts.seconds - seconds) <= 1 / plan.fps + 0.05) return;
  const found = `${facts.width}x${facts.height}, ${facts.frames} frames, ${facts.seconds.toFixed(2)} s`;
  const asked = `${plan.width}x${plan.height}, ${plan.frames} frames, ${seconds.toFixed(2)} s`;
  throw new Failure('ENGINE_FAILED', `the ${plan.ext} that ffmpeg wrote is not what was asked: ${found}, not ${asked}`);
}
