// Brings the pictures that a job names to this machine and makes PNG files of them. The binaries tell formats apart
// partly by file name, ignore a camera's rotation, and end badly on what they cannot read; after this they see one
// format, upright, under a name of ours.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import type { ImageTask, VideoTask } from '../../protocol/index.ts';
import type { RunContext } from '../engine.ts';
import { fetchInput } from '../inputs/fetch-input.ts';
import type { InputPaths } from './args.ts';

/** A 33-megapixel photograph as PNG is below this. */
const BYTES_MAX = 64 * 1024 * 1024;
/** 32 megapixels, 96 MB unpacked: four times the largest picture that can be made. A small file can unfold to more. */
const PIXELS_MAX = 32 * 1024 * 1024;
const FORMATS: readonly string[] = ['png', 'jpeg', 'webp', 'gif', 'tiff', 'heif'];

sharp.concurrency(1);

/** A reference image wins over an init image; a mask means something only beside one of them. */
export async function imageInputs(task: ImageTask, context: RunContext): Promise<InputPaths> {
  const { refImageUrl, initImageUrl, maskUrl } = task;
  const url = refImageUrl ?? initImageUrl;
  if (url === undefined) {
    if (maskUrl !== undefined) context.log('warn', 'the mask is not used: there is no init or reference image');
    return {};
  }
  if (refImageUrl !== undefined && initImageUrl !== undefined) {
    context.log('warn', 'the init image is not used: a reference image was given as well');
  }
  const what = refImageUrl === undefined ? 'init image' : 'reference image';
  const picture = await fetchPicture(url, what, context);
  const mask = maskUrl === undefined ? undefined : await fetchMask(maskUrl, picture, context);
  return { ...(refImageUrl === undefined ? { init: picture.path } : { ref: picture.path }), ...(mask && { mask }) };
}

export async function videoInputs(task: VideoTask, context: RunContext): Promise<InputPaths> {
  if (task.initImageUrl === undefined) return {};
  return { init: (await fetchPicture(task.initImageUrl, 'init image', context)).path };
}

type Picture = { readonly path: string; readonly width: number; readonly height: number };

async function fetchPicture(url: string, what: string, context: RunContext): Promise<Picture> {
  const source = await fetchChecked(url, what, context);
  const path = join(context.scratchDir, `${what.split(' ')[0]}.png`);
  const { width, height } = await decoded(what, () =>
    sharp(source, { limitInputPixels: PIXELS_MAX }).autoOrient().flatten({ background: '#fff' }).png(FAST).toFile(path),
  );
  return { path, width, height };
}

/** In the size of its picture, since the binary scales both alike to the size of the result. */
async function fetchMask(url: string, picture: Picture, context: RunContext): Promise<string> {
  const source = await fetchChecked(url, 'mask', context);
  const path = join(context.scratchDir, 'mask.png');
  const { width, height } = picture;
  await decoded('mask', async () => {
    const mask = sharp(source, { limitInputPixels: PIXELS_MAX }).autoOrient().flatten({ background: '#000' });
    await mask.greyscale().toColourspace('b-w').resize({ width, height, fit: 'fill' }).png(FAST).toFile(path);
  });
  return path;
}

/** Read once by the binary on this machine: a small file gains nothing. */
const FAST = { compressionLevel: 1 };

async function fetchChecked(url: string, what: string, context: RunContext): Promise<string> {
  const { scratchDir: dir, signal, settings } = context;
  const { path } = await fetchInput(url, {
    dir,
    maxBytes: BYTES_MAX,
    signal,
    network: settings.network,
    what: `the ${what}`,
  });
  if ((await stat(path)).size === 0) throw new Failure('INPUT_INVALID', `the ${what} is an empty file`);
  const facts = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch((cause) => {
      throw new Failure('INPUT_INVALID', `the ${what} is not a picture that can be read; send PNG, JPEG or WebP`, {
        cause,
      });
    });
  if (!FORMATS.includes(facts.format)) {
    throw new Failure('INPUT_INVALID', `the ${what} is a ${facts.format} file; send PNG, JPEG or WebP`);
  }
  if (facts.width * facts.height > PIXELS_MAX) {
    const megapixels = Math.round((facts.width * facts.height) / 1e6);
    throw new Failure(
      'INPUT_INVALID',
      `the ${what} has ${megapixels} megapixels; at most 32 are read: make it smaller`,
    );
  }
  return path;
}

async function decoded<T>(what: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (/ENOSPC|No space/i.test(why))
      throw new Failure('DISK_FULL', `no room for the ${what} in the temporary folder`, { cause });
    throw new Failure('INPUT_INVALID', `the ${what} is damaged: ${why.trim().split('\n')[0]}`, { cause });
  }
}
