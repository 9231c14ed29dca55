// A synthetic film: an animated WebP whose shading turns once over its length. The asked extension is not looked at,
// since upstream's film is a WebP whatever was asked.
import sharp from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults, VideoTask } from '../../protocol/index.ts';
import type { EngineResult, RunContext } from '../engine.ts';
import { digestOf, drawPicture } from './picture.ts';
import { pieces } from './pieces.ts';
import { sizeOf } from './size.ts';

const SIDE_MAX = 1024;
/** Two seconds, the default length, are then 16 frames: under half a second of work on one core. */
const FPS_DEFAULT = 8;
const FPS_MAX = 60;
const FRAMES_MAX = 240;
/** All frames lie in memory at once for the encoder: 240 frames of 512 x 512 pixels, about 190 MB. */
const PIXELS_MAX = FRAMES_MAX * 512 * 512;

sharp.concurrency(1);

export async function video(task: VideoTask, defaults: CliDefaults, context: RunContext): Promise<EngineResult> {
  const { width, height } = sizeOf(task, defaults, SIDE_MAX);
  const fps = task.fps ?? FPS_DEFAULT;
  const frames = framesOf(task.seconds, fps);
  const frameBytes = width * height * 3;
  if (width * height * frames > PIXELS_MAX) {
    const framesMax = Math.floor(PIXELS_MAX / (width * height));
    throw new Failure('INPUT_INVALID', `${frames} frames of ${width}x${height} are too many: at most ${framesMax}`);
  }
  const pixels = new Uint8Array(frameBytes * frames);
  const digest = digestOf(task.prompt);
  for (let frame = 0; frame < frames; frame += 1) {
    const picture = { width, height, digest, turns: frame / frames };
    await drawPicture(pixels, frame * frameBytes, picture, context.signal);
    context.progress({ ratio: ((frame + 1) / (frames + 1)) * 0.9, step: frame + 1, steps: frames });
  }
  context.signal.throwIfAborted();
  const raw = { width, height: height * frames, channels: 3, pageHeight: height } as const;
  const delay = new Array<number>(frames).fill(Math.round(1000 / fps));
  const file = await sharp(pixels, { raw }).webp({ lossless: true, effort: 0, loop: 0, delay }).toBuffer();
  context.signal.throwIfAborted();
  context.progress({ ratio: 1, step: frames, steps: frames });
  return { kind: 'bytes', ext: 'webp', chunks: pieces(file) };
}

function framesOf(seconds: number, fps: number): number {
  if (!(fps > 0 && fps <= FPS_MAX)) throw new Failure('INPUT_INVALID', `fps ${fps} is out of range: up to ${FPS_MAX}`);
  if (!(seconds > 0)) throw new Failure('INPUT_INVALID', `a video of ${seconds} seconds has no frames`);
  const frames = Math.max(1, Math.round(seconds * fps));
  if (frames <= FRAMES_MAX) return frames;
  throw new Failure('INPUT_INVALID', `${frames} frames are too many: the synthetic engine makes at most ${FRAMES_MAX}`);
}
