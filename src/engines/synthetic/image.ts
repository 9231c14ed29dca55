// A synthetic picture in the size and file format that the job asked for.
import sharp, { type Sharp } from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults, ImageTask } from '../../protocol/index.ts';
import type { EngineResult, RunContext } from '../engine.ts';
import { digestOf, drawPicture } from './picture.ts';
import { pieces } from './pieces.ts';
import { sizeOf } from './size.ts';

/** 4096 x 4096 pixels are 48 MiB in memory while the file is written. */
const SIDE_MAX = 4096;

// Jobs of several kinds share the processor, so one picture never takes more than one core.
sharp.concurrency(1);

/** The lowest efforts that still give a valid file: what counts here is that a job is quick, not that a file is small. */
const ENCODERS: Readonly<Record<string, (picture: Sharp) => Sharp>> = {
  webp: (picture) => picture.webp({ lossless: true, effort: 0 }),
  png: (picture) => picture.png({ compressionLevel: 6 }),
  jpg: (picture) => picture.jpeg({ quality: 90 }),
  jpeg: (picture) => picture.jpeg({ quality: 90 }),
  avif: (picture) => picture.avif({ quality: 60, effort: 0 }),
};

export async function image(task: ImageTask, defaults: CliDefaults, context: RunContext): Promise<EngineResult> {
  const encode = Object.hasOwn(ENCODERS, task.ext) ? ENCODERS[task.ext] : undefined;
  if (!encode) {
    const formats = Object.keys(ENCODERS).join(', ');
    throw new Failure(
      'INPUT_INVALID',
      `synthetic engine cannot write images as \`${task.ext}\`; it writes: ${formats}`,
    );
  }
  const { width, height } = sizeOf(task, defaults, SIDE_MAX);
  const pixels = new Uint8Array(width * height * 3);
  const picture = { width, height, digest: digestOf(task.prompt), turns: 0 };
  // The last tenth is the encoder's.
  await drawPicture(pixels, 0, picture, context.signal, (rows) => context.progress({ ratio: (rows / height) * 0.9 }));
  const file = await encode(sharp(pixels, { raw: { width, height, channels: 3 } })).toBuffer();
  context.signal.throwIfAborted();
  context.progress({ ratio: 1 });
  return { kind: 'bytes', ext: task.ext, chunks: pieces(file) };
}
