// The ffmpeg engine: a film of one picture over which the camera moves. The picture is the job's init image, or one that
// is made from the prompt. It is an animation and says so in its name; a model that imagines motion is another engine.
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults, VideoTask } from '../../protocol/index.ts';
import type { Engine, EngineResult, LoadedModel, ModelRef, RunContext } from '../engine.ts';
import { fetchInput } from '../inputs/fetch-input.ts';
import { openImage, rgbOf } from '../pixels/read-image.ts';
import { findFfmpeg } from './find-ffmpeg.ts';
import { makeVideo, type RawPicture } from './make-video.ts';
import { type Camera, cameraOf, FFMPEG_MODELS } from './models.ts';
import { sourceSize } from './motion.ts';
import { planOf, type VideoPlan } from './plan.ts';
import { digestOf, promptPicture } from './prompt-picture.ts';

/** 64 MiB hold every picture within the limit of pixels, but for some that nothing compresses. */
const IMAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Chunks of the finished file: few messages, and little in memory. */
const CHUNK_BYTES = 1024 * 1024;
/** Shares of the whole: the picture, then the frames, then the check of the file. */
const PICTURE_SHARE = 0.05;
const FRAMES_SHARE = 0.85;

export const engine: Engine = {
  async load(model, context) {
    context.signal.throwIfAborted();
    const camera = cameraOf(model.model);
    if (!camera) {
      const names = FFMPEG_MODELS.join(', ');
      throw new Failure('MODEL_INVALID', `ffmpeg engine has no model \`${model.model}\`; it has: ${names}`);
    }
    const path = await findFfmpeg(context.settings.modelsRoot);
    context.log('info', `ffmpeg is ${path}`);
    context.progress(1);
    return loaded(model, camera);
  },
};

function loaded(model: ModelRef, camera: Camera): LoadedModel {
  return {
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'video') {
        throw new Failure('KIND_UNSUPPORTED', `ffmpeg engine cannot serve ${task.kind} tasks`);
      }
      return film(task, camera, model.source.cliDefaults, context);
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function film(
  task: VideoTask,
  camera: Camera,
  defaults: CliDefaults,
  context: RunContext,
): Promise<EngineResult> {
  const plan = planOf(task, camera, defaults);
  const { frames: steps } = plan;
  const digest = digestOf(task.prompt);
  const picture = await pictureOf(task, plan, digest, context);
  context.signal.throwIfAborted();
  context.progress({ ratio: PICTURE_SHARE, step: 0, steps });
  const output = join(context.scratchDir, `film.${plan.ext}`);
  await makeVideo(plan, picture, (digest[31] ?? 0) % 9, output, {
    signal: context.signal,
    settings: context.settings,
    step: (step) => context.progress({ ratio: PICTURE_SHARE + (FRAMES_SHARE * step) / steps, step, steps }),
  });
  context.progress({ ratio: 1, step: steps, steps });
  return { kind: 'bytes', ext: plan.ext, chunks: chunksOf(output) };
}

async function pictureOf(
  task: VideoTask,
  plan: VideoPlan,
  digest: Uint8Array,
  context: RunContext,
): Promise<RawPicture> {
  const { width, height } = sourceSize(plan);
  const image = task.initImageUrl
    ? await initImage(task.initImageUrl, context)
    : sharp(Buffer.from(promptPicture(digest, width, height)));
  // The whole frame is filled; what sticks out is cut off on both sides alike.
  const fitted = image.resize(width, height, { fit: 'cover' });
  const { data } = await rgbOf(fitted, 'the init image');
  const path = join(context.scratchDir, 'picture.rgb');
  await writeFile(path, data);
  return { path, width, height };
}

async function initImage(url: string, context: RunContext): Promise<Sharp> {
  const { path } = await fetchInput(url, {
    dir: context.scratchDir,
    maxBytes: IMAGE_BYTES_MAX,
    signal: context.signal,
    network: context.settings.network,
    what: 'the init image',
  });
  return (await openImage(path, 'the init image')).image;
}

/** Read as it is sent; the folder stays until the last chunk is written. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    // A copy in memory of its own, since the stream may hand out parts of a pool.
    yield new Uint8Array(chunk as Buffer);
  }
}
