// Turns a video task into what will be made, or refuses it. Pure: nothing here looks at a file or a program.
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults, VideoTask } from '../../protocol/index.ts';
import type { VideoCodec } from './encoders.ts';
import type { Camera, Motion } from './models.ts';

/** Upstream's size when a task says nothing. */
const SIDE_DEFAULT = 512;
const SIDE_MIN = 16;
/** Full HD, also upright. One core moves some 15 such frames a second. */
const SIDE_MAX = 1920;
const SECONDS_MAX = 60;
const FPS_MAX = 60;
const FPS_DEFAULT = 24;
/** A GIF counts hundredths of a second, and browsers slow down what shows a frame for less than two. */
const GIF_FPS_MAX = 50;
/** As upstream's. */
const GIF_FPS_DEFAULT = 10;

const EXTS = ['mp4', 'webm', 'gif'] as const;
export type VideoExt = (typeof EXTS)[number];

export type VideoPlan = {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly frames: number;
  readonly ext: VideoExt;
  /** A GIF is its own codec. */
  readonly codec: VideoCodec | undefined;
  readonly motion: Motion;
};

export function planOf(task: VideoTask, camera: Camera, defaults: CliDefaults): VideoPlan {
  const ext = EXTS.find((each) => each === task.ext);
  if (!ext) throw invalid(`videos cannot be written as \`${task.ext}\`; the ffmpeg engine writes: ${EXTS.join(', ')}`);
  if (ext === 'gif' && camera.av1)
    throw invalid('a gif cannot hold AV1: ask for mp4 or webm, or for a model without `-av1`');
  const width = side('width', task.width || defaults.width || SIDE_DEFAULT);
  const height = side('height', task.height || defaults.height || SIDE_DEFAULT);
  const fpsMax = ext === 'gif' ? GIF_FPS_MAX : FPS_MAX;
  const fps = task.fps ?? (ext === 'gif' ? GIF_FPS_DEFAULT : FPS_DEFAULT);
  if (!(fps >= 1 && fps <= fpsMax)) throw invalid(`fps ${fps} is out of range: 1 to ${fpsMax} for ${ext}`);
  const { seconds } = task;
  if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
    throw invalid(`a video of ${seconds} seconds is out of range: more than 0, at most ${SECONDS_MAX}`);
  }
  const codec = ext === 'gif' ? undefined : camera.av1 ? 'av1' : ext === 'mp4' ? 'h264' : 'vp9';
  return { width, height, fps, frames: Math.max(1, Math.round(seconds * fps)), ext, codec, motion: camera.motion };
}

function side(name: string, pixels: number): number {
  if (pixels < SIDE_MIN || pixels > SIDE_MAX) {
    throw invalid(`${name} ${pixels} is out of range: ${SIDE_MIN} to ${SIDE_MAX} pixels`);
  }
  // Colours are stored for squares of two by two pixels.
  if (pixels % 2 === 1) throw invalid(`${name} ${pixels} is odd: a video needs even sides, such as ${pixels - 1}`);
  return pixels;
}

function invalid(message: string): Failure {
  return new Failure('INPUT_INVALID', message);
}
